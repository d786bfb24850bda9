#include "kvcache/transport/host.h"

#include <gtest/gtest.h>

namespace baton::kvcache {
namespace {

TEST(Host, IsItselfAndNoOther) {
  const HostIdentity here = this_host();
  EXPECT_EQ(here, this_host());
  HostIdentity other = here;
  other.uid += 1;
  EXPECT_FALSE(same_host(here, other));
  other = here;
  other.pid_namespace += 1;
  EXPECT_FALSE(same_host(here, other));
}

TEST(Host, AnUnknownHostIsEqualToNone) { EXPECT_FALSE(same_host(HostIdentity{}, HostIdentity{})); }

TEST(Endpoint, IsParsedAndPrintedAlike) {
  for (const char* text : {"127.0.0.1:80", "node-7.example:65535", "[::1]:0"}) {
    const auto endpoint = parse_endpoint(text);
    ASSERT_TRUE(endpoint) << text;
    EXPECT_EQ(to_string(*endpoint), text);
  }
  EXPECT_EQ(parse_endpoint("[::1]:5")->host, "::1");
}

TEST(Endpoint, RefusesWhatIsNoAddress) {
  for (const char* text : {"", "host", ":80", "host:", "host:80a", "host:65536", "host:-1",
                           "::1:80", "[]:80", "host:123456"}) {
    EXPECT_FALSE(parse_endpoint(text)) << text;
  }
  EXPECT_FALSE(parse_endpoint(std::string(300, 'a').append(":80")));
}

}  // namespace
}  // namespace baton::kvcache

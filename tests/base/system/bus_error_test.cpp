#include "base/system/bus_error.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "base/system/mapping.h"

namespace baton {
namespace {

TEST(BusErrorDeathTest, a_mapped_file_that_is_cut_short_ends_the_process_with_its_name) {
  const auto path = std::filesystem::temp_directory_path() /
                    ("baton-bus-error-" + std::to_string(::getpid()) + ".bin");
  std::ofstream(path) << std::string(3 * 4096, 'x');
  const auto mapping = Mapping::open_read(path);
  ASSERT_TRUE(mapping);
  std::filesystem::resize_file(path, 4096);
  volatile std::byte seen{};
  EXPECT_EXIT(
      {
        explain_bus_errors();
        seen = mapping->bytes()[2 * 4096];
      },
      ::testing::ExitedWithCode(1), path.filename().string() + ".* was cut short .*start again");
  (void)seen;
  std::filesystem::remove(path);
}

TEST(BusErrorDeathTest, any_other_bus_error_keeps_its_meaning) {
  EXPECT_EXIT(
      {
        explain_bus_errors();
        std::raise(SIGBUS);
      },
      ::testing::KilledBySignal(SIGBUS), "");
}

}  // namespace
}  // namespace baton

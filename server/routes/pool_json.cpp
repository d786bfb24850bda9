#include "server/routes/pool_json.h"

#include <nlohmann/json.hpp>

#include "base/clock.h"

namespace baton::server {

using Json = nlohmann::ordered_json;

Json pool_json(const PoolReport& pool) {
  Json tenants = Json::array();
  for (const TenantPages& held : pool.tenants)
    tenants.push_back({{"tenant", held.tenant}, {"pages", held.pages}});
  Json oldest;
  if (pool.oldest) {
    oldest = {{"what", pool.oldest->what},
              {"waited_s", to_seconds(pool.oldest->since)},
              {"left_s", to_seconds(pool.oldest->left)}};
  }
  return {{"in_flight", pool.in_flight},
          {"pinned", pool.pinned},
          {"by_tenant", std::move(tenants)},
          {"oldest_waiting", std::move(oldest)}};
}

}  // namespace baton::server

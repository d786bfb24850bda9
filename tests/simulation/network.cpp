#include "tests/simulation/network.h"

#include <algorithm>

namespace baton::simulation {

Duration Network::delay(Duration least, Duration most) {
  return least + Duration(static_cast<int64_t>(
                     random_.below(static_cast<uint64_t>((most - least).count()) + 1)));
}

Duration Network::delay() {
  if (faults.slow && random_.chance(0.05)) return delay(1ms, 300ms);
  return delay(50us, 3ms);
}

LinkPtr Network::connect(LifePtr from, std::function<void()> from_down, LifePtr to,
                         std::function<void()> to_down) {
  auto link = std::make_shared<Link>();
  link->ends[0] = {std::move(from), std::move(from_down), time_.now()};
  link->ends[1] = {std::move(to), std::move(to_down), time_.now()};
  std::erase_if(links_, [](const auto& old) { return old.expired(); });
  links_.push_back(link);
  return link;
}

void Network::run_in(const LifePtr& life, std::function<void()> what) {
  if (!life->alive) return;
  if (time_.now() < life->frozen_until) {
    time_.at(life->frozen_until,
             [this, life, what = std::move(what)]() mutable { run_in(life, std::move(what)); });
    return;
  }
  what();
}

void Network::send(const LinkPtr& link, int to, std::function<void()> arrive) {
  if (random_.chance(faults.break_link)) return cut(link);
  if (random_.chance(faults.silence_link)) fall_silent(link);
  if (link->lost || random_.chance(faults.lose)) return;
  Link::End& end = link->ends[static_cast<size_t>(to)];
  const int times = random_.chance(faults.repeat) ? 2 : 1;
  for (int i = 0; i < times; ++i) {
    end.last_arrival = std::max(end.last_arrival, time_.now() + delay());
    time_.at(end.last_arrival, [this, link, life = end.life, arrive, to] {
      run_in(life, [link, arrive, to] {
        if (!link->lost && !link->told[to]) arrive();
      });
    });
  }
}

void Network::cut(const LinkPtr& link) {
  link->lost = true;
  for (const int end : {0, 1}) tell(link, end, delay(1ms, 200ms));
}

void Network::fall_silent(const LinkPtr& link) {
  link->lost = true;
  for (const int end : {0, 1}) tell(link, end, delay(5s, 15s));
}

void Network::tell(const LinkPtr& link, int end, Duration after) {
  time_.after(after, [this, link, end] {
    run_in(link->ends[static_cast<size_t>(end)].life, [link, end] {
      if (std::exchange(link->told[end], true)) return;
      link->ends[static_cast<size_t>(end)].on_down();
    });
  });
}

void Network::died(const LifePtr& life) {
  const bool silently = random_.chance(0.15);
  for (const auto& weak : links_) {
    const auto link = weak.lock();
    if (!link || link->told[0] || link->told[1]) continue;
    if (link->ends[0].life != life && link->ends[1].life != life) continue;
    if (silently)
      fall_silent(link);
    else
      cut(link);
  }
}

}  // namespace baton::simulation

// prefix_bench: the prefix cache by itself: hit rate against capacity on a recorded trace, for
// each eviction policy; and how fast a large index is. No model, no daemon.
#include <fmt/format.h>

#include <fstream>

#include "base/clock.h"
#include "base/hash/counter_rng.h"
#include "base/io/daemon.h"
#include "base/system/options.h"
#include "bench/trace/request_trace.h"

namespace baton::bench {
namespace {

constexpr std::array kPolicies{kvcache::Eviction::lru, kvcache::Eviction::lfu,
                               kvcache::Eviction::credit};
constexpr std::array kColours{"#888888", "#c0692c", "#1f6f8b"};

struct Point {
  uint32_t pages = 0;
  std::array<double, kPolicies.size()> rate{};  // percent
};

std::vector<Point> measure(const std::vector<TraceRequest>& trace) {
  uint64_t blocks = 0;
  for (const TraceRequest& request : trace) blocks += request.blocks.size();
  std::vector<Point> points;
  const uint64_t capacities[] = {500,    1'000,  2'000,  3'000,  5'000,   8'000,   12'000,
                                 20'000, 30'000, 50'000, 80'000, 120'000, 200'000, 400'000};
  for (const uint64_t capacity : capacities) {
    Point point{static_cast<uint32_t>(std::min(capacity, blocks)), {}};
    for (size_t i = 0; i < kPolicies.size(); ++i) {
      const ReplayResult result = replay(trace, point.pages, kPolicies[i]);
      point.rate[i] = 100.0 * static_cast<double>(result.hits) / static_cast<double>(result.blocks);
    }
    points.push_back(point);
    if (capacity >= blocks) break;
  }
  return points;
}

void print(const std::vector<Point>& points) {
  fmt::print("\nhit rate of blocks, percent\n{:>10}", "pages");
  for (const auto policy : kPolicies) fmt::print("{:>10}", to_string(policy));
  fmt::print("   credit - lru\n");
  const double top = std::max(1.0, points.back().rate.back());
  for (const Point& point : points) {
    fmt::print("{:>10}", point.pages);
    for (const double rate : point.rate) fmt::print("{:>10.2f}", rate);
    fmt::print("{:>+10.3f}     ", point.rate[2] - point.rate[0]);
    std::string line(52, ' ');
    const char marks[] = {'L', 'F', 'C'};
    for (size_t i = 0; i < point.rate.size(); ++i)
      line[static_cast<size_t>(point.rate[i] / top * 50)] = marks[i];
    fmt::print("|{}|\n", line);
  }
}

// Pages on a logarithmic axis, percent on the other.
void plot(const std::vector<Point>& points, const std::string& path) {
  constexpr double kWidth = 640, kHeight = 400, kLeft = 56, kBottom = 44, kTop = 16, kRight = 16;
  const double first = std::log10(points.front().pages), last = std::log10(points.back().pages);
  const double top = std::ceil(points.back().rate.back() / 10) * 10;
  const auto x = [&](double pages) {
    return kLeft + (std::log10(pages) - first) / (last - first) * (kWidth - kLeft - kRight);
  };
  const auto y = [&](double rate) {
    return kHeight - kBottom - rate / top * (kHeight - kBottom - kTop);
  };
  std::ofstream out(path);
  out << fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" "
      "font-size=\"11\"><rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
      kWidth, kHeight);
  for (double rate = 0; rate <= top; rate += 10)
    out << fmt::format(
        "<path d=\"M{} {:.1f}H{}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1f}\" "
        "text-anchor=\"end\">{} %</text>\n",
        kLeft, y(rate), kWidth - kRight, kLeft - 6, y(rate) + 4, rate);
  for (const Point& point : points)
    out << fmt::format(
        "<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\" font-size=\"9\">{}"
        "</text>\n",
        x(point.pages), kHeight - kBottom + 16, point.pages);
  out << fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">pages of cache</text>\n",
                     kWidth / 2, kHeight - 8);
  for (size_t i = 0; i < kPolicies.size(); ++i) {
    out << fmt::format("<path fill=\"none\" stroke=\"{}\" stroke-width=\"2\" d=\"", kColours[i]);
    for (size_t p = 0; p < points.size(); ++p)
      out << fmt::format("{}{:.1f} {:.1f}", p == 0 ? 'M' : 'L', x(points[p].pages),
                         y(points[p].rate[i]));
    out << fmt::format("\"/><text x=\"{}\" y=\"{}\" fill=\"{}\">{}</text>\n", kLeft + 12,
                       kTop + 14 * (i + 1), kColours[i], to_string(kPolicies[i]));
  }
  out << "</svg>\n";
  fmt::print("plot in {}\n", path);
}

// Prompts of 64 pages each fill the index; what is looked up is drawn at random.
void lookups(uint32_t pages) {
  const SystemClock clock;
  constexpr uint32_t kChain = 64;
  kvcache::PrefixIndex index({.pages = pages});
  std::vector<kvcache::PageName> names(pages);
  for (uint64_t i = 0; i < pages; ++i) names[i] = {sha256(std::as_bytes(std::span(&i, 1)))};
  const Instant filling = clock.now();
  for (uint32_t page = 0; page < pages; ++page) {
    const bool first = page % kChain == 0;
    index.insert(names[page], PageId{page}, first ? std::nullopt : std::optional(PageId{page - 1}),
                 kPageTokens);
  }
  for (uint32_t page = pages; page-- > 0;) index.unpin(PageId{page});
  const double filled = to_seconds(clock.now() - filling);

  // Single pages anywhere, then whole prompts, as requests look them up.
  constexpr uint32_t kLookups = 4'000'000;
  SeededRandom random(7);
  std::vector<uint32_t> order(1 << 16);
  for (uint32_t& page : order) page = static_cast<uint32_t>(random.below(pages));
  uint64_t found = 0;
  const Instant begun = clock.now();
  for (uint32_t i = 0; i < kLookups; ++i)
    found += index.find(names[order[i & (order.size() - 1)]]).has_value();
  const double looked = to_seconds(clock.now() - begun);
  const Instant matching = clock.now();
  uint64_t matched = 0;
  for (uint32_t i = 0; i < kLookups / kChain; ++i) {
    const uint32_t first = order[i & (order.size() - 1)] / kChain * kChain;
    matched += index.match(std::span(names).subspan(first, kChain)).size();
  }
  const double whole = to_seconds(clock.now() - matching);
  check(found == kLookups && matched == kLookups, "a listed page was not found");

  const std::vector<TokenId> tokens(kPageTokens, 1);
  constexpr uint32_t kNames = 500'000;
  kvcache::PageName name;
  const Instant naming = clock.now();
  for (uint32_t i = 0; i < kNames; ++i) name = kvcache::page_name(name, tokens);
  const double named = to_seconds(clock.now() - naming);

  const Instant evicting = clock.now();
  uint32_t evicted = 0;
  while (index.evict()) ++evicted;
  const double gone = to_seconds(clock.now() - evicting);
  check(evicted == pages, "a page that nobody uses was not evicted");
  fmt::print("an index of {} pages: {:.0f} bytes a page\n", pages,
             static_cast<double>(index.bytes()) / pages);
  fmt::print(
      "  {:.2f} million lookups a second, {:.2f} in prompts; {:.2f} million insertions, {:.2f} "
      "million evictions; {:.2f} million pages named a second\n",
      kLookups / looked / 1e6, kLookups / whole / 1e6, pages / filled / 1e6, pages / gone / 1e6,
      kNames / named / 1e6);
}

}  // namespace
}  // namespace baton::bench

int main(int argc, char** argv) {
  using namespace baton;
  std::string trace_file, svg;
  uint32_t pages = 1 << 20;
  CLI::App app("Hit rate against capacity on a trace, and the speed of a large index.");
  app.add_option("--trace", trace_file, "requests, one JSON object a line; none: no curves");
  app.add_option("--svg", svg, "where to draw the curves");
  app.add_option("--pages", pages, "of the large index")->capture_default_str();
  if (const auto status = parse_options(app, argc, argv)) return *status;
  bench::lookups(pages);
  if (trace_file.empty()) return 0;
  const auto trace = bench::read_trace(trace_file);
  if (!trace) return report_failure("prefix_bench", trace.error());
  const auto points = bench::measure(*trace);
  bench::print(points);
  if (!svg.empty()) bench::plot(points, svg);
  return 0;
}

// Traffic: what an exchange carries a token, against the least that it could.
#include "bench/parallel/sections.h"
#include "bench/parallel/tools/counted_exchange.h"
#include "bench/parallel/tools/tokens.h"

namespace baton::bench {

namespace {

constexpr size_t kHeaderBytes = 8;  // of what one rank's rows are for another, in a message
constexpr size_t kPairBytes = sizeof(parallel::Pair);

struct Unit {
  const char* name;
  const char* layout;
  uint32_t rows;  // a rank
};

class Tables {
 public:
  Tables(size_t row_bytes, Report& report) : row_bytes_(row_bytes), report_(report) {}

  void add(const Unit& unit, bool two_stages, const std::string& placement, double tokens,
           uint32_t ranks, const CountedExchange& exchange) {
    const Needed& n = exchange.needed();
    const auto& stages = exchange.carried().stages;
    const char* way = two_stages ? "two stages" : "one stage";
    const auto row = static_cast<double>(row_bytes_);
    const auto a_token = [&](uint64_t count) { return static_cast<double>(count) / tokens; };
    const uint64_t bytes = exchange.carried().dispatched();
    // A relay's message says for each rank at its place, its own among them, what comes from it.
    const uint64_t headers = kHeaderBytes * (stages[0].all().messages +
                                             stages[1].inside.messages * (ranks / kRanksPerHost));
    const uint64_t pairs = kPairBytes * (two_stages ? n.far_pairs + n.passed_pairs : n.pairs);
    const uint64_t rows = two_stages ? n.hosts + n.passed_rows : n.ranks;
    report_.expect(bytes == rows * row_bytes_ + headers + pairs,
                   "what a dispatch carries is rows, pairs and headers, and nothing else");
    report_.expect(rows >= n.ranks, "a dispatch carries a row a distinct rank at least");
    report_.expect(stages[2].all().bytes == n.pairs * row_bytes_,
                   "a combine carries one row an expert on another rank");
    const auto share = [&](uint64_t part) {
      return 100 * static_cast<double>(part) / (static_cast<double>(n.ranks) * row);
    };
    dispatch_.add({unit.name, way, placement, a_token(n.ranks), a_token(n.ranks) * row / 1024,
                   a_token(bytes) / 1024, share(bytes) - 100, share(headers), share(pairs),
                   share((rows - n.ranks) * row_bytes_)});
    const uint64_t far_rows = two_stages ? n.hosts : n.far_ranks;
    const double far_row_bytes = static_cast<double>(far_rows) * row;
    report_.expect(stages[0].between.bytes == far_rows * row_bytes_ +
                                                  kHeaderBytes * stages[0].between.messages +
                                                  kPairBytes * n.far_pairs,
                   "a row crosses to each of its hosts once, or to each of its ranks");
    report_.expect(stages[1].between.bytes == 0, "relays pass on inside hosts");
    between_.add({unit.name, way, placement, a_token(n.hosts), a_token(far_rows),
                  a_token(stages[0].between.bytes) / 1024,
                  100 * (static_cast<double>(stages[0].between.bytes) / far_row_bytes - 1),
                  a_token(n.far_pairs), a_token(stages[2].between.bytes) / 1024});
    const auto a_rank = [&](const Way& w) { return static_cast<double>(w.messages) / ranks; };
    Way both = stages[0].all();
    both += stages[1].all();
    combine_.add({unit.name, way, placement, a_token(n.pairs),
                  a_token(stages[2].all().bytes) / 1024, a_rank(stages[0].between),
                  a_rank(stages[0].inside) + a_rank(stages[1].inside),
                  100 * static_cast<double>(both.empty) / static_cast<double>(both.messages),
                  a_rank(stages[2].all())});
  }
  void print() {
    for (const Table* table : {&dispatch_, &between_, &combine_}) report_.add(*table);
  }

 private:
  size_t row_bytes_;
  Report& report_;
  Table dispatch_{"Dispatch, a token (bound: one row a distinct rank)",
                  {{"unit"},
                   {"exchange"},
                   {"placement"},
                   {"bound rows", 2},
                   {"bound KiB", 1},
                   {"carried KiB", 1},
                   {"over %", 2},
                   {"headers %", 2},
                   {"pairs %", 2},
                   {"passed on %", 2}}};
  Table between_{"Between hosts of 8 ranks, a token (dispatch bound: one row a distinct host)",
                 {{"unit"},
                  {"exchange"},
                  {"placement"},
                  {"bound rows", 2},
                  {"rows", 2},
                  {"dispatch KiB", 1},
                  {"headers pairs %", 2},
                  {"result rows", 2},
                  {"combine KiB", 1}}};
  Table combine_{
      "Combine, a token (bound: one row an expert elsewhere, carried exactly); messages a rank",
      {{"unit"},
       {"exchange"},
       {"placement"},
       {"rows", 2},
       {"KiB", 1},
       {"dispatch between", 1},
       {"dispatch inside", 1},
       {"without rows %", 1},
       {"combine", 1}}};
};

void measure_unit(const Unit& unit, size_t row_bytes, Tables& tables) {
  parallel::Layout layout = parallel::parse_layout(unit.layout).value();
  const bool routed = layout.shared == parallel::SharedExpert::routed;
  const size_t tokens = size_t{unit.rows} * layout.ranks();
  const std::vector<float> alike(kExperts);
  const auto choices = Tokens(1).draw(tokens, alike, routed);
  std::vector<float> loads(layout.logical_experts(kExperts));
  for (const uint32_t expert : choices) loads[expert] += 1;
  for (const bool two_stages : {false, true}) {
    layout.ranks_per_host = two_stages ? kRanksPerHost : 0;
    const auto shape = parallel::placement_shape(layout, v3_shape());
    for (const bool balanced : {false, true}) {
      CountedExchange exchange(layout, two_stages, row_bytes);
      exchange.run(balanced ? rebalance(loads, shape) : first_placement(shape), choices);
      tables.add(unit, two_stages, balanced ? "rebalanced" : "first", static_cast<double>(tokens),
                 layout.ranks(), exchange);
    }
  }
}

}  // namespace

void measure_traffic(const Settings& settings, Report& report) {
  const size_t row_bytes = settings.quick ? 256 : kHidden * sizeof(float);
  report.section("traffic",
                 fmt::format("bytes of one layer's exchange; V3's routing of random scores, rows "
                             "and results of {} bytes",
                             row_bytes));
  std::vector<Unit> units = {{"prefill 32", "tp=4,dp=8,redundant=32", 16},
                             {"decode 320", "tp=4,dp=80,redundant=63,shared=routed", 2},
                             {"EP32", "tp=1,dp=32,redundant=32", 16},
                             {"EP144", "tp=1,dp=144,redundant=32", 8}};
  if (settings.quick) units = {{"prefill 32", "tp=4,dp=8,redundant=32", 4}};
  Tables tables(row_bytes, report);
  for (const Unit& unit : units) measure_unit(unit, row_bytes, tables);
  tables.print();
}

}  // namespace baton::bench

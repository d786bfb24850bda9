#include "model/team/step_wire.h"

#include <cstring>

namespace baton::model {

namespace {

class Writer {
 public:
  explicit Writer(std::vector<std::byte>& to) : to_(to) { to_.clear(); }

  template <class T>
  requires std::is_trivially_copyable_v<T>
  void value(const T& v) { bytes(&v, sizeof v); }
  template <class T>
  requires std::is_trivially_copyable_v<T>
  void list(std::span<const T> values) {
    value(static_cast<uint64_t>(values.size()));
    bytes(values.data(), values.size_bytes());
  }
  template <class T>
  void list(const std::vector<T>& values) {
    list(std::span<const T>(values));
  }

 private:
  void bytes(const void* data, size_t size) {
    const auto* from = static_cast<const std::byte*>(data);
    to_.insert(to_.end(), from, from + size);
  }
  std::vector<std::byte>& to_;
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> from) : from_(from) {}

  template <class T>
  requires std::is_trivially_copyable_v<T> T value() {
    T v;
    bytes(&v, sizeof v);
    return v;
  }
  template <class T>
  void list(std::vector<T>& values) {
    const auto count = value<uint64_t>();
    check(count <= from_.size() / sizeof(T), "a list of a step is whole");
    values.resize(count);
    bytes(values.data(), count * sizeof(T));
  }
  bool at_end() const { return from_.empty(); }

 private:
  void bytes(void* to, size_t size) {
    check(size <= from_.size(), "a message of a step is whole");
    if (size != 0) std::memcpy(to, from_.data(), size);
    from_ = from_.subspan(size);
  }
  std::span<const std::byte> from_;
};

// The fields of SamplingParams that are numbers; static_assert in write_sampling watches for more.
struct SamplingNumbers {
  float temperature, top_p, min_p, presence_penalty, frequency_penalty, repetition_penalty;
  uint32_t top_k;
  uint64_t seed;
};

bool looks_back(const SamplingParams& s) {
  return s.presence_penalty != 0 || s.frequency_penalty != 0 || s.repetition_penalty != 1 ||
         !s.bad_words.empty();
}

struct Bias {  // std::pair is not trivially copyable
  TokenId token;
  float bias;
};

void write_sampling(Writer& out, const SamplingParams& s) {
  const auto& [temperature, top_p, top_k, min_p, presence, frequency, repetition, seed, biases,
               allowed, bad_words] = s;
  out.value(
      SamplingNumbers{temperature, top_p, min_p, presence, frequency, repetition, top_k, seed});
  std::vector<Bias> pairs;
  for (const auto& [token, bias] : biases) pairs.push_back({token, bias});
  out.list(pairs);
  out.list(allowed);
  out.value(static_cast<uint64_t>(bad_words.size()));
  for (const auto& word : bad_words) out.list(word);
}

void read_sampling(Reader& in, SamplingParams& s) {
  const auto n = in.value<SamplingNumbers>();
  std::vector<Bias> pairs;
  in.list(pairs);
  s = {n.temperature,
       n.top_p,
       n.top_k,
       n.min_p,
       n.presence_penalty,
       n.frequency_penalty,
       n.repetition_penalty,
       n.seed,
       {},
       {},
       {}};
  for (const Bias& b : pairs) s.logit_bias.emplace_back(b.token, b.bias);
  in.list(s.allowed);
  for (auto words = in.value<uint64_t>(); words > 0; --words) in.list(s.bad_words.emplace_back());
}

struct SequenceNumbers {
  uint32_t group, prompt_tokens;
  Position first;
  TokenId next, forced;
  uint32_t score;
  ChoiceIndex choice;
  uint32_t draft_depth;
  bool has_next, has_forced, has_score, samples;
};

void write_plan(Writer& out, const GroupPlan& plan) {
  out.value(plan.rows);
  out.list(plan.sequences);
  for (const auto& bounds : plan.bounds) out.list(bounds);
  out.value(static_cast<uint64_t>(plan.drafts.size()));
  for (const DraftPlan& drafts : plan.drafts) {
    out.list(drafts.sequences);
    out.list(drafts.bounds);
  }
}

void read_plan(Reader& in, GroupPlan& plan) {
  plan.rows = in.value<uint32_t>();
  in.list(plan.sequences);
  for (auto& bounds : plan.bounds) in.list(bounds);
  plan.drafts.resize(in.value<uint64_t>());
  for (DraftPlan& drafts : plan.drafts) {
    in.list(drafts.sequences);
    in.list(drafts.bounds);
  }
}

void write_orders(Writer& out, const parallel::BalanceOrders& orders) {
  out.value(orders.report);
  out.list(orders.asked);
  out.list(orders.moves);
  out.value(orders.switched.has_value());
  if (!orders.switched) return;
  const parallel::ExpertPlacement& placement = orders.switched->placement;
  out.value(orders.switched->layer);
  out.value(placement.experts());
  out.value(placement.ranks());
  out.value(placement.epoch());
  out.list(placement.physical_to_logical());
}

void read_orders(Reader& in, parallel::BalanceOrders& orders) {
  orders.report = in.value<bool>();
  in.list(orders.asked);
  in.list(orders.moves);
  if (!in.value<bool>()) return;
  const auto layer = in.value<uint32_t>();
  const auto experts = in.value<uint32_t>();
  const auto ranks = in.value<uint32_t>();
  const auto epoch = in.value<uint64_t>();
  std::vector<uint32_t> expert_of;
  in.list(expert_of);
  orders.switched = {layer, parallel::ExpertPlacement(std::move(expert_of), experts, ranks, epoch)};
}

}  // namespace

void write_header(const StepHeader& header, std::vector<std::byte>& to) {
  Writer out(to);
  out.value(header.stop);
  for (const auto& sources : header.sources) out.list(sources);
  out.value(static_cast<uint64_t>(header.draft_sources.size()));
  for (const auto& sources : header.draft_sources) out.list(sources);
  write_orders(out, header.experts);
}

StepHeader read_header(std::span<const std::byte> bytes) {
  Reader in(bytes);
  StepHeader header;
  header.stop = in.value<bool>();
  for (auto& sources : header.sources) in.list(sources);
  header.draft_sources.resize(in.value<uint64_t>());
  for (auto& sources : header.draft_sources) in.list(sources);
  read_orders(in, header.experts);
  check(in.at_end(), "a step's header ends where it should");
  return header;
}

void write_group(std::span<const SequenceRows> sequences, const GroupPlan& plan,
                 std::vector<std::byte>& to) {
  Writer out(to);
  write_plan(out, plan);
  for (const uint32_t index : plan.sequences) {
    const SequenceRows& s = sequences[index];
    out.value(SequenceNumbers{s.group, s.prompt_tokens, s.first, s.next.value_or(0),
                              s.forced.value_or(0), s.score.value_or(0), s.choice, s.draft_depth,
                              s.next.has_value(), s.forced.has_value(), s.score.has_value(),
                              s.sampling != nullptr});
    out.list(s.pages);
    out.list(s.tokens);
    out.list(s.drafts);
    if (s.sampling == nullptr) continue;
    write_sampling(out, *s.sampling);
    out.value(s.report != nullptr ? *s.report : ReportParams{});
    out.list(s.masked);
    out.list(s.masks);
    const bool all = looks_back(*s.sampling);
    out.list(all ? s.prompt : std::span<const TokenId>());
    out.list(all ? s.output : std::span<const TokenId>());
  }
}

void read_group(std::span<const std::byte> bytes, GroupStep& to) {
  Reader in(bytes);
  read_plan(in, to.plan_);
  const size_t count = to.plan_.sequences.size();
  to.lists_.resize(count);
  to.sequences_.resize(count);
  for (size_t i = 0; i < count; ++i) {
    GroupStep::Lists& lists = to.lists_[i];
    SequenceRows& s = to.sequences_[i];
    const auto n = in.value<SequenceNumbers>();
    in.list(lists.pages);
    in.list(lists.tokens);
    in.list(lists.drafts);
    s = {};
    s.group = n.group;
    s.pages = lists.pages;
    s.prompt_tokens = n.prompt_tokens;
    s.first = n.first;
    s.tokens = lists.tokens;
    if (n.has_next) s.next = n.next;
    if (n.has_forced) s.forced = n.forced;
    if (n.has_score) s.score = n.score;
    s.drafts = lists.drafts;
    s.choice = n.choice;
    s.draft_depth = n.draft_depth;
    if (!n.samples) continue;
    read_sampling(in, lists.sampling);
    lists.report = in.value<ReportParams>();
    in.list(lists.masked);
    in.list(lists.masks);
    in.list(lists.prompt);
    in.list(lists.output);
    s.sampling = &lists.sampling;
    s.report = &lists.report;
    s.masked = lists.masked;
    s.masks = lists.masks;
    s.prompt = lists.prompt;
    s.output = lists.output;
  }
  check(in.at_end(), "a group's part of a step ends where it should");
}

void write_results(std::span<const uint32_t> owned, std::span<const SequenceResult> results,
                   std::vector<std::byte>& to) {
  Writer out(to);
  for (const uint32_t index : owned) {
    const SequenceResult& r = results[index];
    out.value(index);
    out.value(static_cast<uint64_t>(r.tokens.size()));
    for (const SampledToken& t : r.tokens) {
      out.value(t.token);
      out.value(t.logprob);
      out.value(t.logits);
      out.list(t.top);
    }
    out.list(r.drafts);
    out.list(r.draft_logprobs);
    out.value(static_cast<uint64_t>(r.scores.size()));
    for (const ScoredRow& scored : r.scores) {
      out.value(scored.row);
      out.value(scored.score.token);
      out.value(scored.score.rank);
      out.list(scored.score.top);
    }
  }
}

void read_results(std::span<const std::byte> bytes, const GroupPlan& plan,
                  std::span<SequenceResult> results) {
  Reader in(bytes);
  while (!in.at_end()) {
    const auto index = in.value<uint32_t>();
    check(index < plan.sequences.size(), "a result is of a sequence of its group");
    SequenceResult& r = results[plan.sequences[index]];
    r.tokens.resize(in.value<uint64_t>());
    for (SampledToken& t : r.tokens) {
      t.token = in.value<TokenId>();
      t.logprob = in.value<float>();
      t.logits = in.value<Digest>();
      in.list(t.top);
    }
    in.list(r.drafts);
    in.list(r.draft_logprobs);
    // A prompt's rows are spread over ranks, which all say their part.
    for (auto scores = in.value<uint64_t>(); scores > 0; --scores) {
      ScoredRow& scored = r.scores.emplace_back();
      scored.row = in.value<uint32_t>();
      scored.score.token = in.value<TokenLogprob>();
      scored.score.rank = in.value<uint32_t>();
      in.list(scored.score.top);
    }
  }
}

void write_report(const parallel::BalanceReport& report, std::vector<std::byte>& to) {
  Writer out(to);
  out.list(report.tokens);
  out.list(report.loaded);
  out.list(report.failed);
}

parallel::BalanceReport read_report(std::span<const std::byte> bytes) {
  Reader in(bytes);
  parallel::BalanceReport report;
  in.list(report.tokens);
  in.list(report.loaded);
  in.list(report.failed);
  check(in.at_end(), "a rank's report ends where it should");
  return report;
}

}  // namespace baton::model

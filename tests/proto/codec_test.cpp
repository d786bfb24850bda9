// Round trips of every field of every message; fill.h sees to it that no member is forgotten.
#include "proto/codec.h"

#include <gmock/gmock.h>

#include "tests/proto/fill.h"

namespace baton::rpc {
namespace {

using testing::Counter;
using testing::fill;
using testing::fill_all;
using testing::fill_flag;

// A text that differs if anything does; prometheus-cpp's structs have no operator==.
std::string text_of(const MetricsSnapshot& snapshot) {
  std::string text;
  const auto add = [&text](const auto&... values) { ((text += fmt::format("{}|", values)), ...); };
  for (const auto& [name, help, type, metrics] : snapshot) {
    add(name, help, static_cast<int>(type));
    for (const auto& [label, counter, gauge, summary, histogram, untyped, time] : metrics) {
      for (const auto& [label_name, label_value] : label) add(label_name, label_value);
      add(counter.value, gauge.value, untyped.value, time);
      add(summary.sample_count, summary.sample_sum);
      for (const auto& [quantile, value] : summary.quantile) add(quantile, value);
      add(histogram.sample_count, histogram.sample_sum);
      for (const auto& [count, bound] : histogram.bucket) add(count, bound);
    }
  }
  return text;
}

// ---- the messages ------------------------------------------------------------------------------

template <class Message>
Message round_trip(const Message& message) {
  const std::string bytes = serialize(message);
  auto parsed = parse<Message>(std::as_bytes(std::span(bytes)));
  EXPECT_TRUE(parsed) << parsed.error().message;
  return parsed ? *parsed : Message{};
}

// For messages with operator==; `build` fills a message from a counter.
template <class Message, class Build>
void expect_round_trip(Build build) {
  for (uint32_t start : {0u, 100u, 5000u}) {
    Counter counter{start};
    const auto kind = build(counter);
    EXPECT_FALSE(kind == decltype(build(counter)){}) << "the values must not be the defaults";
    const Message back = round_trip(Message(kind));
    ASSERT_TRUE(std::holds_alternative<decltype(build(counter))>(back));
    EXPECT_TRUE(std::get<decltype(build(counter))>(back) == kind);
  }
}

TEST(Codec, submit) {
  expect_round_trip<ToDecode>([](Counter& c) {
    Submit m;
    auto& [to, request, prefill] = m;
    fill_all(c, to, request, prefill);
    return m;
  });
}

TEST(Codec, cancel) {
  expect_round_trip<ToDecode>([](Counter& c) {
    Cancel m;
    auto& [request, attempt] = m;
    fill_all(c, request, attempt);
    return m;
  });
}

TEST(Codec, progress) {
  expect_round_trip<FromDecode>([](Counter& c) {
    Progress m;
    auto& [request, attempt, tokens, times, scores] = m;
    fill_all(c, request, attempt, tokens, times, scores);
    return m;
  });
}

TEST(Codec, gave_up) {
  expect_round_trip<FromDecode>([](Counter& c) {
    GaveUp m;
    auto& [request, attempt, why, blame, reason] = m;
    fill_all(c, request, attempt, blame, reason);
    why = GiveUp::invalid;
    return m;
  });
}

TEST(Codec, prefill_job) {
  expect_round_trip<ToPrefill>([](Counter& c) {
    PrefillJob m;
    auto& [to, job, request, attempt, prompt, tenant, salt, priority, time_left, scores] = m;
    fill_all(c, to, job, request, attempt, prompt, tenant, salt, priority, time_left, scores);
    return m;
  });
}

TEST(Codec, reserved) {
  expect_round_trip<ToPrefill>([](Counter& c) {
    Reserved m;
    auto& [job, session, pages, frame_address, lease, kept] = m;
    fill_all(c, job, session, pages, frame_address, lease, kept);
    return m;
  });
}

TEST(Codec, not_before) {
  expect_round_trip<ToPrefill>([](Counter& c) {
    NotBefore m;
    auto& [job, delay] = m;
    fill_all(c, job, delay);
    return m;
  });
}

TEST(Codec, resend) {
  expect_round_trip<ToPrefill>([](Counter& c) {
    Resend m;
    auto& [job, session, frames] = m;
    fill_all(c, job, session, frames);
    return m;
  });
}

TEST(Codec, commit) {
  expect_round_trip<ToPrefill>([](Counter& c) {
    Commit m;
    auto& [job, session] = m;
    fill_all(c, job, session);
    return m;
  });
}

TEST(Codec, abort_either_way) {
  const auto build = [](Counter& c) {
    Abort m;
    auto& [job, reason] = m;
    fill_all(c, job, reason);
    return m;
  };
  expect_round_trip<ToPrefill>(build);
  expect_round_trip<FromPrefill>(build);
}

TEST(Codec, reserve) {
  expect_round_trip<FromPrefill>([](Counter& c) {
    Reserve m;
    auto& [job, pages] = m;
    fill_all(c, job, pages);
    return m;
  });
}

TEST(Codec, seal) {
  expect_round_trip<FromPrefill>([](Counter& c) {
    Seal m;
    auto& [job, session, pages, computed, cached, fetched, kvstore] = m;
    fill_all(c, job, session, pages, computed, cached, fetched, kvstore);
    return m;
  });
}

TEST(Codec, prompt_scores) {
  expect_round_trip<FromPrefill>([](Counter& c) {
    PromptScores m;
    auto& [job, scores] = m;
    fill_all(c, job, scores);
    return m;
  });
}

TEST(Codec, job_alive) {
  expect_round_trip<FromPrefill>([](Counter& c) {
    JobAlive m;
    auto& [job, tokens_done] = m;
    fill_all(c, job, tokens_done);
    return m;
  });
}

TEST(Codec, place) {
  expect_round_trip<ToScheduler>([](Counter& c) {
    Place m;
    auto& [request, attempt, prompt, max_new, known, priority, avoid, prefix] = m;
    fill_all(c, request, attempt, prompt, max_new, known, priority, avoid, prefix);
    return m;
  });
}

TEST(Codec, forget) {
  expect_round_trip<ToScheduler>([](Counter& c) {
    Forget m;
    auto& [request, attempt] = m;
    fill_all(c, request, attempt);
    return m;
  });
}

TEST(Codec, watch_cluster) {
  static_assert(std::is_empty_v<WatchCluster>);
  EXPECT_TRUE(std::holds_alternative<WatchCluster>(round_trip(ToScheduler(WatchCluster{}))));
}

TEST(Codec, rebalance) {
  expect_round_trip<ToScheduler>([](Counter& c) {
    Rebalance m;
    auto& [instance] = m;
    fill(c, instance);
    return m;
  });
  expect_round_trip<FromScheduler>([](Counter& c) {
    RebalanceNow m;
    auto& [instance] = m;
    fill(c, instance);
    return m;
  });
}

TEST(Codec, heartbeat_seen) {
  expect_round_trip<FromScheduler>([](Counter& c) {
    HeartbeatSeen m;
    auto& [incarnation, fenced, prefixes_seen, kvstores] = m;
    fill_all(c, incarnation, prefixes_seen, kvstores);
    fill_flag(fenced);
    return m;
  });
}

TEST(Codec, placed) {
  expect_round_trip<FromScheduler>([](Counter& c) {
    Placed m;
    auto& [request, attempt, decode, prefill, degraded, reason] = m;
    fill_all(c, request, attempt, decode, prefill, reason);
    fill_flag(degraded);
    return m;
  });
}

TEST(Codec, not_placed) {
  expect_round_trip<FromScheduler>([](Counter& c) {
    NotPlaced m;
    auto& [request, attempt, full, retry_after, reason] = m;
    fill_all(c, request, attempt, retry_after, reason);
    fill_flag(full);
    return m;
  });
}

TEST(Codec, heartbeat) {
  Counter c;
  Heartbeat m;
  auto& [peer, role, manifest, load, draining, accepted, metrics, prefixes, pool] = m;
  fill_all(c, peer, manifest, load, accepted, metrics, prefixes, pool);
  role = Role::prefill;
  fill_flag(draining);
  const auto back = std::get<Heartbeat>(round_trip(ToScheduler(m)));
  EXPECT_TRUE(std::tie(back.peer, back.role, back.manifest, back.load, back.draining, back.accepted,
                       back.prefixes, back.pool) ==
              std::tie(peer, role, manifest, load, draining, accepted, prefixes, pool));
  ASSERT_TRUE(back.metrics.has_value());
  EXPECT_EQ(text_of(*back.metrics), text_of(*metrics));
  m.metrics.reset();
  EXPECT_FALSE(std::get<Heartbeat>(round_trip(ToScheduler(m))).metrics.has_value());
}

TEST(Codec, cluster_view) {
  Counter c;
  ClusterView m;
  auto& [membership, instances] = m;
  fill_all(c, membership, instances);
  const auto back = std::get<ClusterView>(round_trip(FromScheduler(m)));
  EXPECT_EQ(back.membership, membership);
  ASSERT_EQ(back.instances.size(), instances.size());
  for (size_t i = 0; i < instances.size(); ++i) {
    const auto key = [](const InstanceView& view) {
      return std::tie(view.peer, view.role, view.manifest, view.load, view.draining, view.stale,
                      view.prefixes, view.prefixes_stale, view.pool);
    };
    EXPECT_TRUE(key(back.instances[i]) == key(instances[i]));
    EXPECT_EQ(text_of(back.instances[i].metrics), text_of(instances[i].metrics));
  }
}

TEST(Codec, generate_call_with_every_kind_of_prompt) {
  for (int kind = 0; kind < 3; ++kind) {
    Counter c;
    GenerateCall m;
    fill(c, m);
    auto& prompt = m.prompt;
    if (kind == 0) fill(c, prompt.emplace<0>());
    if (kind == 1) fill(c, prompt.emplace<1>());
    if (kind == 2) fill(c, prompt.emplace<2>());
    EXPECT_TRUE(round_trip(m) == m);  // api_key and time_left travel beside the message
  }
}

TEST(Codec, a_call_says_what_it_gives_and_what_it_leaves_open) {
  GenerateCall m;
  m.sampling.seed = 5;
  m.sampling.top_k = 7;
  m.stop.max_tokens = 99;
  auto back = round_trip(m);
  EXPECT_EQ(back.given, SamplingGiven());
  EXPECT_EQ(back.sampling, SamplingParams());
  EXPECT_FALSE(back.max_tokens_given);
  m.sampling = {};
  m.given = {.temperature = true, .top_k = true, .min_p = true, .presence_penalty = true};
  back = round_trip(m);
  EXPECT_EQ(back.given, m.given) << "a zero that was given is one";
}

TEST(Codec, generate_events) {
  Counter c;
  TokenEvent token;
  fill(c, token);
  EXPECT_TRUE(round_trip(GenerateEvent(token)) == GenerateEvent(token));
  Usage usage;
  auto& [prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens] = usage;
  fill_all(c, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens);
  EXPECT_TRUE(round_trip(GenerateEvent(usage)) == GenerateEvent(usage));
  EXPECT_TRUE(round_trip(ChatEvent(usage)) == ChatEvent(usage));
}

TEST(Codec, chat_call_with_every_choice_of_tools) {
  for (int kind = 0; kind < 3; ++kind) {
    Counter c;
    ChatCall m;
    auto& [turn, tools, tool_mode, tool_name, parallel_tool_calls, thinking, go_on] = m;
    fill_all(c, turn, tools);
    fill(c, turn.prompt.emplace<2>());
    if (kind == 1) fill(c, tool_name);
    if (kind == 2) tool_mode = ToolMode::required;
    if (kind > 0) parallel_tool_calls = thinking = kind == 1;
    fill_flag(go_on);
    EXPECT_TRUE(round_trip(m) == m);
  }
}

TEST(Codec, chat_deltas) {
  Counter c;
  ChatDelta delta;
  auto& [choice, reasoning, content, tool_calls, scores, finish] = delta;
  fill_all(c, choice, reasoning, content, tool_calls, scores);
  for (auto end :
       {ChatFinish::none, ChatFinish::stop, ChatFinish::length, ChatFinish::tool_calls}) {
    finish = end;
    EXPECT_TRUE(round_trip(ChatEvent(delta)) == ChatEvent(delta));
  }
}

TEST(Codec, tokenize_and_detokenize) {
  for (int kind = 0; kind < 2; ++kind) {
    Counter c;
    TokenizeCall m;
    auto& [model, input, add_special_tokens] = m;
    fill(c, model);
    if (kind == 0) fill(c, input.emplace<0>());
    if (kind == 1) fill(c, input.emplace<1>());
    add_special_tokens = kind == 0;
    EXPECT_TRUE(round_trip(m) == m);
  }
  Counter c;
  TokenizeAnswer answer;
  auto& [tokens, context_tokens] = answer;
  fill_all(c, tokens, context_tokens);
  EXPECT_TRUE(round_trip(answer) == answer);
  DetokenizeCall call;
  auto& [model, ids] = call;
  fill_all(c, model, ids);
  EXPECT_TRUE(round_trip(call) == call);
}

TEST(Codec, models) {
  Counter c;
  std::vector<ModelInfo> models;
  fill(c, models);
  EXPECT_TRUE(round_trip(models) == models);
}

TEST(Codec, absent_optionals_stay_absent) {
  const Submit submit;
  EXPECT_TRUE(std::get<Submit>(round_trip(ToDecode(submit))) == submit);
  const Progress progress{.tokens = {TokenEvent{}}};
  EXPECT_TRUE(std::get<Progress>(round_trip(FromDecode(progress))) == progress);
  const Placed placed;
  EXPECT_TRUE(std::get<Placed>(round_trip(FromScheduler(placed))) == placed);
  const GaveUp gave_up;
  EXPECT_TRUE(std::get<GaveUp>(round_trip(FromDecode(gave_up))) == gave_up);
}

TEST(Codec, every_enum_value) {
  for (auto why :
       {GiveUp::place_again, GiveUp::full, GiveUp::deadline, GiveUp::invalid, GiveUp::draining}) {
    EXPECT_EQ(std::get<GaveUp>(round_trip(FromDecode(GaveUp{.why = why}))).why, why);
  }
  for (auto role : {Role::prefill, Role::decode, Role::kvstore}) {
    EXPECT_EQ(std::get<Heartbeat>(round_trip(ToScheduler(Heartbeat{.role = role}))).role, role);
  }
  for (auto finish : {FinishReason::stop, FinishReason::length}) {
    const GenerateEvent event = TokenEvent{.finish = finish};
    EXPECT_TRUE(round_trip(event) == event);
  }
}

}  // namespace
}  // namespace baton::rpc

#include "proto/inference.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>

#include <boost/asio/post.hpp>
#include <future>

#include "baton/v1/inference.grpc.pb.h"
#include "baton/v1/rpc_status.pb.h"
#include "tests/proto/loops.h"

namespace baton::rpc {
namespace {

using boost::asio::io_context;
using ::testing::HasSubstr;
using testing::run_until;
using testing::settle;

struct Handler final : InferenceHandler {
  struct Running {
    GenerateCall call;
    std::unique_ptr<GenerateSink> sink;
    int cancels = 0;
  };
  void generate(GenerateCall call, std::unique_ptr<GenerateSink> sink) override {
    auto& entry = *running.emplace_back(std::make_unique<Running>());
    entry.call = std::move(call);
    entry.sink = std::move(sink);
    entry.sink->on_cancel([&entry] { ++entry.cancels; });
  }
  void chat(ChatCall call, std::unique_ptr<ChatSink> sink) override {
    chats.push_back(std::move(call));
    chat_sinks.push_back(std::move(sink));
  }
  void tokenize(TokenizeCall call, Reply<TokenizeAnswer> reply) override {
    if (call.model == "later") {
      held = std::move(reply);
    } else if (const auto* text = std::get_if<std::string>(&call.input)) {
      reply(TokenizeAnswer{std::vector<TokenId>(text->size(), 7), 99});
    } else {
      reply(Refusal(fail(ErrorCode::invalid_argument, "No chats."), "no_chats"));
    }
  }
  void detokenize(DetokenizeCall call, Reply<std::string> reply) override {
    reply(std::string(call.tokens.size(), 'x'));
  }
  bool allows(const std::string& api_key) override { return key.empty() || api_key == key; }
  std::vector<ModelInfo> models() override {
    return {{.name = "demo", .fingerprint = "f", .numeric_mode = "exact", .context_tokens = 99}};
  }
  std::vector<std::unique_ptr<Running>> running;
  std::vector<ChatCall> chats;
  std::vector<std::unique_ptr<ChatSink>> chat_sinks;
  Reply<TokenizeAnswer> held;
  std::string key;  // empty: anybody may ask
};

// What a client has seen of one call.
struct Seen {
  GenerateEvents events() {
    return {.on_token = [this](TokenEvent token) { tokens.push_back(std::move(token)); },
            .on_end =
                [this](Result<Usage> result, std::optional<Duration> retry) {
                  ends.push_back(std::move(result));
                  retry_after = retry;
                }};
  }
  std::vector<TokenEvent> tokens;
  std::vector<Result<Usage>> ends;
  std::optional<Duration> retry_after;
};

struct InferenceTest : ::testing::Test {
  void SetUp() override { serve(testing::patient()); }
  void serve(const GrpcOptions& options) {
    client.reset();
    server.reset();
    server = serve_inference(io.get_executor(), "127.0.0.1", 0, handler, options).value();
    client = inference_client(io.get_executor(), server->address(), options);
  }
  // Starts a call and waits until the handler has it.
  Handler::Running& start(GenerateCall call = {.model = "demo", .prompt = "hi"}) {
    const size_t before = handler.running.size();
    generation = client->generate(call, seen.events());
    run_until(io, [&] { return handler.running.size() > before; });
    return *handler.running.back();
  }
  void wait_for_end() {
    run_until(io, [&] { return !seen.ends.empty(); });
    settle(io);
    ASSERT_EQ(seen.ends.size(), 1u);
  }

  io_context io;
  Handler handler;
  Seen seen;
  std::unique_ptr<InferenceServer> server;
  std::unique_ptr<InferenceClient> client;
  std::unique_ptr<Generation> generation;
};

TEST_F(InferenceTest, a_call_reaches_the_handler_whole) {
  GenerateCall call{.model = "demo",
                    .prompt = std::vector<ChatMessage>{{"user", "hello"}},
                    .choices = 2,
                    .request_id = "mine",
                    .api_key = "secret"};
  call.sampling.seed = 7;
  call.given.seed = true;
  EXPECT_TRUE(start(call).call == call);
}

TEST_F(InferenceTest, tokens_come_in_order_then_the_usage) {
  auto& running = start();
  for (uint32_t i = 0; i < 50; ++i) running.sink->send({.index = i, .token = i, .text = "x"});
  running.sink->finish(Usage{.prompt_tokens = 3, .completion_tokens = 50, .cached_tokens = 1});
  wait_for_end();
  ASSERT_EQ(seen.tokens.size(), 50u);
  for (uint32_t i = 0; i < 50; ++i) EXPECT_EQ(seen.tokens[i].index, i);
  ASSERT_TRUE(seen.ends[0]);
  EXPECT_EQ(seen.ends[0]->completion_tokens, 50u);
  EXPECT_EQ(running.cancels, 0);
}

TEST_F(InferenceTest, errors_keep_their_code_sentence_and_field) {
  for (auto code : {ErrorCode::invalid_argument, ErrorCode::not_found, ErrorCode::unsupported,
                    ErrorCode::corrupt, ErrorCode::resource_exhausted, ErrorCode::unavailable,
                    ErrorCode::deadline_exceeded, ErrorCode::cancelled, ErrorCode::internal}) {
    seen = {};
    Error error = fail(code, "This is why.");
    error.param = "top_p";
    start().sink->refuse(error);
    wait_for_end();
    ASSERT_FALSE(seen.ends[0]);
    EXPECT_EQ(seen.ends[0].error().code, code);
    EXPECT_THAT(seen.ends[0].error().message, HasSubstr("This is why."));
    EXPECT_EQ(seen.ends[0].error().param, "top_p");
    EXPECT_FALSE(seen.retry_after.has_value());
  }
}

TEST_F(InferenceTest, a_refusal_says_when_to_try_again) {
  start().sink->refuse({fail(ErrorCode::resource_exhausted, "Full."), "queue_full", 1500ms});
  wait_for_end();
  EXPECT_EQ(seen.ends[0].error().code, ErrorCode::resource_exhausted);
  EXPECT_EQ(seen.retry_after, Duration(1500ms));
}

TEST_F(InferenceTest, a_malformed_call_never_reaches_the_handler) {
  GenerateCall call{.model = "demo", .prompt = "hi"};
  call.sampling.top_p = std::numeric_limits<float>::quiet_NaN();
  call.given.top_p = true;
  generation = client->generate(call, seen.events());
  wait_for_end();
  EXPECT_EQ(seen.ends[0].error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(seen.ends[0].error().param, "top_p");
  EXPECT_TRUE(handler.running.empty());
}

TEST_F(InferenceTest, a_client_that_cancels_is_told_and_so_is_the_handler) {
  auto& running = start();
  running.sink->send({.text = "x"});
  generation->cancel();
  run_until(io, [&] { return running.cancels == 1; });
  wait_for_end();
  EXPECT_EQ(seen.ends[0].error().code, ErrorCode::cancelled);
  running.sink->send({.text = "ignored"});
  running.sink->finish(Usage{});
  settle(io);
  EXPECT_EQ(running.cancels, 1);
}

TEST_F(InferenceTest, a_client_that_is_gone_is_told_to_the_handler) {
  auto& running = start();
  generation.reset();
  run_until(io, [&] { return running.cancels == 1; });
  EXPECT_TRUE(seen.ends.empty()) << "a destroyed generation is silent";
}

TEST_F(InferenceTest, a_deadline_is_passed_on_and_kept) {
  generation =
      client->generate({.model = "demo", .prompt = "hi", .time_left = 300ms}, seen.events());
  wait_for_end();
  EXPECT_EQ(seen.ends[0].error().code, ErrorCode::deadline_exceeded);
  if (handler.running.empty()) return;  // a crowded machine: it was over before it began
  auto& running = *handler.running[0];
  ASSERT_TRUE(running.call.time_left.has_value());
  EXPECT_LE(*running.call.time_left, 400ms);
  run_until(io, [&] { return running.cancels == 1; });
}

TEST_F(InferenceTest, a_client_that_does_not_read_is_cancelled) {
  GrpcOptions options = testing::patient();
  options.unsent = options.unread = {.messages_max = 16, .bytes_max = 1 << 20};
  serve(options);
  auto& running = start();
  // The loop does not run, so nobody reads; beyond the queues HTTP/2 holds a bounded amount.
  for (int i = 0; i < 100'000; ++i) running.sink->send({.text = "much too much for this queue"});
  EXPECT_EQ(running.cancels, 0) << "never from inside send()";
  run_until(io, [&] { return running.cancels == 1; });
  wait_for_end();
  EXPECT_FALSE(seen.ends[0]);
}

TEST_F(InferenceTest, a_dropped_sink_answers_internal) {
  start().sink.reset();
  wait_for_end();
  EXPECT_EQ(seen.ends[0].error().code, ErrorCode::internal);
}

TEST_F(InferenceTest, too_many_calls_are_refused) {
  GrpcOptions options = testing::patient();
  options.streams_max = 1;
  serve(options);
  auto& running = start();
  auto other_client = inference_client(io.get_executor(), server->address(), options);
  Seen other;
  auto second = other_client->generate({.model = "demo", .prompt = "hi"}, other.events());
  settle(io);
  EXPECT_EQ(handler.running.size(), 1u) << "waits for a stream or is refused";
  running.sink->finish(Usage{});
  wait_for_end();
}

TEST_F(InferenceTest, models_are_listed) {
  Result<std::vector<ModelInfo>> got = fail(ErrorCode::internal, "none yet");
  client->models("", [&](auto answer) { got = std::move(answer); });
  run_until(io, [&] { return got.has_value(); });
  EXPECT_EQ(*got, handler.models());
}

// The status on the wire, which our own client folds into the caller's mistakes.
grpc::Status models_status(const std::string& address, const std::string& authorization) {
  const auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  grpc::GenericStub stub(channel);
  auto done = std::make_shared<std::promise<grpc::Status>>();
  auto context = std::make_shared<grpc::ClientContext>();
  if (!authorization.empty()) context->AddMetadata("authorization", authorization);
  auto request = std::make_shared<grpc::ByteBuffer>();
  auto response = std::make_shared<grpc::ByteBuffer>();
  grpc::Slice nothing;
  *request = grpc::ByteBuffer(&nothing, 1);
  stub.UnaryCall(context.get(), "/baton.v1.Inference/Models", {}, request.get(), response.get(),
                 [=](const grpc::Status& status) {
                   (void)context, (void)request, (void)response;
                   done->set_value(status);
                 });
  return done->get_future().get();
}

TEST_F(InferenceTest, whoever_has_no_key_is_unauthenticated_and_unseen) {
  handler.key = "secret";
  generation = client->generate({.model = "demo", .prompt = "hi"}, seen.events());
  wait_for_end();
  EXPECT_EQ(seen.ends[0].error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(seen.ends[0].error().message, HasSubstr("API key"));
  EXPECT_TRUE(handler.running.empty());

  std::optional<Result<std::vector<ModelInfo>>> models;
  client->models("wrong", [&](auto answer) { models = std::move(answer); });
  run_until(io, [&] { return models.has_value(); });
  EXPECT_FALSE(*models);
  models.reset();
  client->models("secret", [&](auto answer) { models = std::move(answer); });
  run_until(io, [&] { return models.has_value(); });
  EXPECT_TRUE(*models);

  for (const auto& [authorization, code] :
       {std::pair("", grpc::StatusCode::UNAUTHENTICATED),
        std::pair("Basic secret", grpc::StatusCode::UNAUTHENTICATED),
        std::pair("bearer secret", grpc::StatusCode::OK)}) {
    auto status = std::async(std::launch::async, models_status, server->address(), authorization);
    run_until(io, [&] { return status.wait_for(0s) == std::future_status::ready; });
    EXPECT_EQ(status.get().error_code(), code) << authorization;
  }
}

// ---- what clients of other libraries see --------------------------------------------------------

// Runs `question` on a thread of its own, as a client that waits would, while the server's loop
// turns here.
template <class Question>
auto asked(io_context& io, Question question) {
  auto answer = std::async(std::launch::async, question);
  run_until(io, [&] { return answer.wait_for(0s) == std::future_status::ready; });
  return answer.get();
}

std::unique_ptr<v1::Inference::Stub> stub_of(const InferenceServer& server) {
  return v1::Inference::NewStub(
      grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials()));
}

google::rpc::Status details_of(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  return details;
}

TEST_F(InferenceTest, an_error_carries_details_that_programs_can_act_on) {
  const auto stub = stub_of(*server);
  auto call = std::async(std::launch::async, [&] {
    grpc::ClientContext context;
    v1::GenerateRequest request;
    request.set_text("hi");
    const auto reader = stub->Generate(&context, request);
    v1::GenerateResponse response;
    while (reader->Read(&response)) {
    }
    return reader->Finish();
  });
  run_until(io, [&] { return !handler.running.empty(); });
  Error error = fail(ErrorCode::resource_exhausted, "Full.");
  error.param = "n";
  handler.running[0]->sink->refuse({error, "queue_full", 1500ms});
  run_until(io, [&] { return call.wait_for(0s) == std::future_status::ready; });
  const auto details = details_of(call.get());
  EXPECT_EQ(details.code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(details.message(), "Full.");
  ASSERT_EQ(details.details_size(), 3);
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(details.details(0).UnpackTo(&info));
  EXPECT_EQ(info.reason(), "QUEUE_FULL");
  EXPECT_EQ(info.domain(), "baton");
  google::rpc::BadRequest bad;
  ASSERT_TRUE(details.details(1).UnpackTo(&bad));
  EXPECT_EQ(bad.field_violations(0).field(), "n");
  google::rpc::RetryInfo retry;
  ASSERT_TRUE(details.details(2).UnpackTo(&retry));
  EXPECT_EQ(retry.retry_delay().seconds(), 1);
  EXPECT_EQ(retry.retry_delay().nanos(), 500'000'000);
}

TEST_F(InferenceTest, a_chat_reaches_the_handler_and_its_deltas_the_client) {
  const auto stub = stub_of(*server);
  auto call = std::async(std::launch::async, [&] {
    grpc::ClientContext context;
    v1::ChatRequest request;
    request.add_messages()->set_role("user");
    request.set_thinking(true);
    const auto reader = stub->Chat(&context, request);
    std::vector<v1::ChatResponse> all;
    v1::ChatResponse response;
    while (reader->Read(&response)) all.push_back(response);
    EXPECT_TRUE(reader->Finish().ok());
    return all;
  });
  run_until(io, [&] { return !handler.chats.empty(); });
  EXPECT_EQ(handler.chats[0].thinking, true);
  EXPECT_EQ(std::get<2>(handler.chats[0].turn.prompt)[0].role, "user");
  auto& sink = *handler.chat_sinks[0];
  sink.send({.reasoning = "hm"});
  sink.send({.content = "yes", .finish = ChatFinish::stop});
  sink.finish({.prompt_tokens = 1, .completion_tokens = 2, .reasoning_tokens = 1});
  run_until(io, [&] { return call.wait_for(0s) == std::future_status::ready; });
  const auto all = call.get();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].delta().reasoning(), "hm");
  EXPECT_EQ(all[1].delta().content(), "yes");
  EXPECT_EQ(all[1].delta().finish(), v1::CHAT_FINISH_STOP);
  EXPECT_EQ(all[2].usage().reasoning_tokens(), 1u);
}

TEST_F(InferenceTest, tokens_of_text_and_text_of_tokens) {
  const auto stub = stub_of(*server);
  v1::TokenizeResponse tokens;
  v1::DetokenizeResponse text;
  const auto status = asked(io, [&] {
    grpc::ClientContext first, second;
    v1::TokenizeRequest request;
    request.set_text("abc");
    if (auto bad = stub->Tokenize(&first, request, &tokens); !bad.ok()) return bad;
    v1::DetokenizeRequest back;
    *back.mutable_tokens() = tokens.tokens();
    return stub->Detokenize(&second, back, &text);
  });
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(tokens.tokens().ids_size(), 3);
  EXPECT_EQ(tokens.context_tokens(), 99u);
  EXPECT_EQ(text.text(), "xxx");
}

TEST_F(InferenceTest, a_question_that_makes_no_sense_is_refused_with_its_reason) {
  const auto stub = stub_of(*server);
  const auto ask = [&](auto edit) {
    return asked(io, [&] {
      grpc::ClientContext context;
      v1::TokenizeRequest request;
      edit(request);
      v1::TokenizeResponse response;
      return stub->Tokenize(&context, request, &response);
    });
  };
  const auto empty = ask([](auto&) {});
  EXPECT_EQ(empty.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  google::rpc::BadRequest bad;
  ASSERT_TRUE(details_of(empty).details(1).UnpackTo(&bad));
  EXPECT_EQ(bad.field_violations(0).field(), "input");
  const auto chat = ask([](auto& request) { request.mutable_chat(); });
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(details_of(chat).details(0).UnpackTo(&info));
  EXPECT_EQ(info.reason(), "NO_CHATS");
}

TEST_F(InferenceTest, a_question_that_waits_ends_with_the_server) {
  const auto stub = stub_of(*server);
  auto status = std::async(std::launch::async, [&] {
    grpc::ClientContext context;
    v1::TokenizeRequest request;
    request.set_model("later");
    request.set_text("x");
    v1::TokenizeResponse response;
    return stub->Tokenize(&context, request, &response);
  });
  run_until(io, [&] { return handler.held != nullptr; });
  server.reset();
  EXPECT_EQ(status.get().error_code(), grpc::StatusCode::UNAVAILABLE);
  handler.held(TokenizeAnswer{});  // too late: nobody hears it
}

TEST_F(InferenceTest, destroying_the_server_ends_every_call) {
  auto& running = start();
  bool models_answered = false;
  client->models("", [&](const auto&) { models_answered = true; });
  running.sink->send({.text = "x"});
  server.reset();
  run_until(io, [&] { return !seen.ends.empty() && models_answered; });
  EXPECT_FALSE(seen.ends[0]);
  running.sink->finish(Usage{});
}

TEST_F(InferenceTest, an_absent_server_is_unavailable) {
  server.reset();
  generation = client->generate({.model = "demo", .prompt = "hi"}, seen.events());
  wait_for_end();
  EXPECT_EQ(seen.ends[0].error().code, ErrorCode::unavailable);
}

}  // namespace
}  // namespace baton::rpc

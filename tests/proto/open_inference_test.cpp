#include "proto/open_inference.h"

#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <future>

#include "open_inference.grpc.pb.h"
#include "tests/proto/loops.h"

namespace baton::rpc {
namespace {

namespace wire = ::inference;
using testing::run_until;

// Answers each call with its prompt, token by token, or holds it.
struct Handler final : InferenceHandler {
  bool allows(const std::string& api_key) override { return key.empty() || api_key == key; }
  void generate(GenerateCall call, std::unique_ptr<GenerateSink> sink) override {
    asked = call;
    sink->on_cancel([this] { ++cancels; });
    if (call.model == "none")
      return sink->refuse(fail(ErrorCode::not_found, "There is no such model."));
    if (hold) return held.push_back(std::move(sink));
    const auto& text = std::get<std::string>(call.prompt);
    for (size_t i = 0; i < text.size(); ++i) {
      TokenEvent event{.index = static_cast<uint32_t>(i), .text = text.substr(i, 1)};
      if (i + 1 == text.size()) event.finish = FinishReason::length;
      sink->send(std::move(event));
    }
    sink->finish({.prompt_tokens = 3, .completion_tokens = static_cast<uint32_t>(text.size())});
  }
  void chat(ChatCall, std::unique_ptr<ChatSink>) override {}
  void tokenize(TokenizeCall, Reply<TokenizeAnswer>) override {}
  void detokenize(DetokenizeCall, Reply<std::string>) override {}
  std::vector<ModelInfo> models() override { return {{.name = "demo"}}; }

  std::string key;
  bool hold = false;
  std::vector<std::unique_ptr<GenerateSink>> held;
  GenerateCall asked;
  int cancels = 0;
};

class OpenInferenceTest : public ::testing::Test {
 protected:
  OpenInferenceTest()
      : server_(serve_inference(io_.get_executor(), "127.0.0.1", 0, handler_, testing::patient())
                    .value()),
        stub_(wire::GRPCInferenceService::NewStub(
            grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials()))) {}

  template <class Request, class Response>
  grpc::Status ask(grpc::Status (wire::GRPCInferenceService::Stub::*method)(grpc::ClientContext*,
                                                                            const Request&,
                                                                            Response*),
                   const Request& request, Response* response, const std::string& key = "") {
    grpc::ClientContext context;
    if (!key.empty()) context.AddMetadata("authorization", "Bearer " + key);
    auto done = std::async(std::launch::async,
                           [&] { return ((*stub_).*method)(&context, request, response); });
    run_until(io_, [&] { return done.wait_for(0s) == std::future_status::ready; });
    return done.get();
  }
  static wire::ModelInferRequest question(const std::string& text) {
    wire::ModelInferRequest request;
    request.set_model_name("demo");
    request.set_id("mine");
    auto* input = request.add_inputs();
    input->set_name("text_input");
    input->set_datatype("BYTES");
    input->add_shape(1);
    input->mutable_contents()->add_bytes_contents(text);
    return request;
  }
  grpc::Status infer(const wire::ModelInferRequest& request) {
    answer_.Clear();
    return ask(&wire::GRPCInferenceService::Stub::ModelInfer, request, &answer_);
  }

  boost::asio::io_context io_;
  Handler handler_;
  std::unique_ptr<InferenceServer> server_;
  std::unique_ptr<wire::GRPCInferenceService::Stub> stub_;
  wire::ModelInferResponse answer_;
};

TEST_F(OpenInferenceTest, says_whether_it_lives_and_serves) {
  using Stub = wire::GRPCInferenceService::Stub;
  handler_.key = "secret";  // liveness and readiness need none
  wire::ServerLiveResponse live;
  ASSERT_TRUE(ask(&Stub::ServerLive, wire::ServerLiveRequest(), &live).ok());
  EXPECT_TRUE(live.live());
  wire::ServerReadyResponse ready;
  for (const bool serving : {true, false}) {
    server_->set_serving(serving);
    ASSERT_TRUE(ask(&Stub::ServerReady, wire::ServerReadyRequest(), &ready).ok());
    EXPECT_EQ(ready.ready(), serving);
    for (const auto& [name, version, served] : {std::tuple("demo", "", true),
                                                {"demo", "1", true},
                                                {"demo", "2", false},
                                                {"x", "", false}}) {
      wire::ModelReadyRequest request;
      request.set_name(name);
      request.set_version(version);
      wire::ModelReadyResponse model;
      ASSERT_TRUE(ask(&Stub::ModelReady, request, &model, "secret").ok());
      EXPECT_EQ(model.ready(), serving && served) << name << version;
    }
  }
  wire::ModelReadyResponse model;
  EXPECT_EQ(ask(&Stub::ModelReady, wire::ModelReadyRequest(), &model).error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(OpenInferenceTest, describes_itself_and_its_models) {
  using Stub = wire::GRPCInferenceService::Stub;
  wire::ServerMetadataResponse server;
  ASSERT_TRUE(ask(&Stub::ServerMetadata, wire::ServerMetadataRequest(), &server).ok());
  EXPECT_EQ(server.name(), "baton");
  wire::ModelMetadataRequest request;
  request.set_name("demo");
  wire::ModelMetadataResponse model;
  ASSERT_TRUE(ask(&Stub::ModelMetadata, request, &model).ok());
  ASSERT_EQ(model.inputs_size(), 1);
  EXPECT_EQ(model.inputs(0).name(), "text_input");
  EXPECT_EQ(model.outputs(0).datatype(), "BYTES");
  request.set_name("x");
  EXPECT_EQ(ask(&Stub::ModelMetadata, request, &model).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(OpenInferenceTest, a_text_comes_in_and_one_goes_out) {
  auto request = question("hello");
  auto& parameters = *request.mutable_parameters();
  parameters["temperature"].set_double_param(0.5);
  parameters["max_tokens"].set_int64_param(7);
  parameters["seed"].set_int64_param(-1);
  parameters["stop"].set_string_param("x");
  ASSERT_TRUE(infer(request).ok());
  EXPECT_EQ(answer_.model_name(), "demo");
  EXPECT_EQ(answer_.id(), "mine");
  ASSERT_EQ(answer_.outputs_size(), 1);
  EXPECT_EQ(answer_.outputs(0).name(), "text_output");
  EXPECT_EQ(answer_.outputs(0).contents().bytes_contents(0), "hello");
  EXPECT_EQ(answer_.parameters().at("finish_reason").string_param(), "length");
  EXPECT_EQ(answer_.parameters().at("completion_tokens").int64_param(), 5);
  EXPECT_EQ(handler_.asked.sampling.temperature, 0.5f);
  EXPECT_TRUE(handler_.asked.given.temperature && handler_.asked.given.seed);
  EXPECT_FALSE(handler_.asked.given.top_p);
  EXPECT_EQ(handler_.asked.stop.max_tokens, 7u);
  EXPECT_EQ(handler_.asked.sampling.seed, ~uint64_t{0});
  EXPECT_EQ(handler_.asked.stop.strings, std::vector<std::string>{"x"});
  auto raw = question("");
  raw.mutable_inputs(0)->clear_contents();
  raw.add_raw_input_contents(std::string("\x02\0\0\0hi", 6));
  ASSERT_TRUE(infer(raw).ok());
  EXPECT_EQ(answer_.outputs(0).contents().bytes_contents(0), "hi");
}

TEST_F(OpenInferenceTest, mistakes_are_the_callers) {
  const auto code = [&](const std::function<void(wire::ModelInferRequest&)>& change) {
    auto request = question("hello");
    change(request);
    return infer(request).error_code();
  };
  using Code = grpc::StatusCode;
  EXPECT_EQ(code([](auto& r) { r.clear_inputs(); }), Code::INVALID_ARGUMENT);
  EXPECT_EQ(code([](auto& r) { r.mutable_inputs(0)->set_name("image"); }), Code::INVALID_ARGUMENT);
  EXPECT_EQ(code([](auto& r) { r.mutable_inputs(0)->set_datatype("FP32"); }),
            Code::INVALID_ARGUMENT);
  EXPECT_EQ(code([](auto& r) { r.mutable_inputs(0)->set_shape(0, 2); }), Code::INVALID_ARGUMENT);
  EXPECT_EQ(code([](auto& r) { r.add_raw_input_contents("\xFF"); }), Code::INVALID_ARGUMENT);
  EXPECT_EQ(code([](auto& r) { r.set_model_version("7"); }), Code::NOT_FOUND);
  EXPECT_EQ(code([](auto& r) { r.set_model_name("none"); }), Code::NOT_FOUND);
  for (const char* name : {"temperature", "max_tokens", "seed", "unknown"}) {
    EXPECT_EQ(code([&](auto& r) { (*r.mutable_parameters())[name].set_string_param("1"); }),
              Code::INVALID_ARGUMENT)
        << name;
  }
  EXPECT_EQ(code([](auto& r) { (*r.mutable_parameters())["max_tokens"].set_double_param(1.5); }),
            Code::INVALID_ARGUMENT);
  EXPECT_EQ(code([](auto& r) { (*r.mutable_parameters())["top_p"].set_double_param(NAN); }),
            Code::INVALID_ARGUMENT);
}

TEST_F(OpenInferenceTest, a_client_that_leaves_cancels) {
  handler_.hold = true;
  grpc::ClientContext context;
  const auto request = question("hello");
  auto done = std::async(std::launch::async,
                         [&] { return stub_->ModelInfer(&context, request, &answer_); });
  run_until(io_, [&] { return !handler_.held.empty(); });
  context.TryCancel();
  run_until(io_, [&] { return handler_.cancels == 1; });
  EXPECT_EQ(done.get().error_code(), grpc::StatusCode::CANCELLED);
  handler_.held.clear();
}

TEST_F(OpenInferenceTest, closing_ends_what_runs) {
  handler_.hold = true;
  const auto request = question("hello");
  auto done = std::async(std::launch::async, [&] {
    grpc::ClientContext context;
    return stub_->ModelInfer(&context, request, &answer_);
  });
  run_until(io_, [&] { return !handler_.held.empty(); });
  server_.reset();
  EXPECT_EQ(done.get().error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace baton::rpc

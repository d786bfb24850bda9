// InferenceFront: the public gRPC service on top of the same checks and the same Engine as HTTP.
//
// A call becomes the body of the equal HTTP request, so that one set of rules judges both. A client
// that leaves cancels. Thread: the I/O thread.
#pragma once

#include <memory>
#include <unordered_map>

#include "proto/inference.h"
#include "server/routes/api_keys.h"
#include "server/routes/generate_route.h"

namespace baton::server {

class Speaker;

class InferenceFront final : public rpc::InferenceHandler {
 public:
  InferenceFront(GenerateContext context, const ApiKeys& keys);
  ~InferenceFront() override;

  bool allows(const std::string& api_key) override;
  void generate(rpc::GenerateCall call, std::unique_ptr<rpc::GenerateSink> sink) override;
  void chat(rpc::ChatCall call, std::unique_ptr<rpc::ChatSink> sink) override;
  void tokenize(rpc::TokenizeCall call, rpc::Reply<rpc::TokenizeAnswer> reply) override;
  void detokenize(rpc::DetokenizeCall call, rpc::Reply<std::string> reply) override;
  std::vector<rpc::ModelInfo> models() override;

  void drain() { draining_ = true; }
  size_t calls() const { return calls_.size(); }

 private:
  struct Call;
  using Parse = std::function<api::ApiResult<api::GenerateRequest>()>;
  // `parse` runs on a work thread.
  void start(std::unique_ptr<Speaker> speaker, const rpc::GenerateCall& asked, Parse parse);
  void submit(const std::shared_ptr<Call>& call, std::optional<Duration> time_left);
  void refuse(const std::shared_ptr<Call>& call, const api::ApiError& error);
  void end(const std::shared_ptr<Call>& call);
  template <class Answer>
  void ask(std::function<api::ApiResult<Answer>()> work, rpc::Reply<Answer> reply);

  GenerateContext context_;
  const ApiKeys& keys_;
  std::unordered_map<const Call*, std::shared_ptr<Call>> calls_;
  bool draining_ = false;
};

}  // namespace baton::server

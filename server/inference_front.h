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

// The call in the API's own words.
api::Json body_of(const rpc::GenerateCall& call);

class InferenceFront final : public rpc::InferenceHandler {
 public:
  InferenceFront(GenerateContext context, const ApiKeys& keys);
  ~InferenceFront() override;

  bool allows(const std::string& api_key) override;
  void generate(rpc::GenerateCall call, std::unique_ptr<rpc::GenerateSink> sink) override;
  std::vector<rpc::ModelInfo> models() override;

  void drain() { draining_ = true; }
  size_t calls() const { return calls_.size(); }

 private:
  struct Call;
  void submit(const std::shared_ptr<Call>& call, RequestState state,
              std::optional<Duration> time_left);
  void refuse(const std::shared_ptr<Call>& call, const api::ApiError& error);
  void end(const std::shared_ptr<Call>& call, const std::string& reason);

  GenerateContext context_;
  const ApiKeys& keys_;
  std::unordered_map<const Call*, std::shared_ptr<Call>> calls_;
  bool draining_ = false;
};

}  // namespace baton::server

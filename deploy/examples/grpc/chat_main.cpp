// An example client of baton.v1.Inference, from the published .proto files and nothing else:
// asks one question, prints the answer as it comes, and what an error says.
//
//   baton-grpc-example HOST:PORT QUESTION [API_KEY]
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <iostream>

#include "baton/v1/inference.grpc.pb.h"
#include "baton/v1/rpc_status.pb.h"

namespace {

constexpr auto kPatience = std::chrono::minutes(2);

// What a program can act on comes in the status' details.
void explain(const grpc::Status& status) {
  std::cerr << status.error_message() << '\n';
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return;
  for (const auto& any : details.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad;
    google::rpc::RetryInfo retry;
    if (any.UnpackTo(&info)) std::cerr << "reason: " << info.reason() << '\n';
    if (any.UnpackTo(&bad)) {
      for (const auto& field : bad.field_violations()) {
        std::cerr << "field: " << field.field() << '\n';
      }
    }
    if (any.UnpackTo(&retry)) {
      std::cerr << "try again in " << retry.retry_delay().seconds() << " s\n";
    }
  }
}

grpc::Status ask(baton::v1::Inference::Stub& stub, const std::string& question,
                 const std::string& key) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  if (!key.empty()) context.AddMetadata("authorization", "Bearer " + key);
  baton::v1::ChatRequest request;
  auto* message = request.add_messages();
  message->set_role("user");
  message->set_content(question);
  request.mutable_sampling()->set_temperature(0);
  const auto reader = stub.Chat(&context, request);
  baton::v1::ChatResponse response;
  while (reader->Read(&response)) {
    if (response.has_delta()) std::cout << response.delta().content() << std::flush;
    if (response.has_usage()) {
      std::cout << "\n(" << response.usage().prompt_tokens() << " tokens in, "
                << response.usage().completion_tokens() << " out)\n";
    }
  }
  return reader->Finish();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: baton-grpc-example HOST:PORT QUESTION [API_KEY]\n";
    return 2;
  }
  const auto channel = grpc::CreateChannel(argv[1], grpc::InsecureChannelCredentials());
  const auto stub = baton::v1::Inference::NewStub(channel);
  const grpc::Status status = ask(*stub, argv[2], argc > 3 ? argv[3] : "");
  if (status.ok()) return 0;
  explain(status);
  return 1;
}

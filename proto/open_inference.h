// open_inference: the Open Inference Protocol (KServe v2, open_inference.proto) in front of the
// same handler as baton.v1.Inference: a text in, a text out. For proto/grpc_*.cpp only.
// Thread safety: as Calls.
#pragma once

#include <memory>

#include "proto/grpc_calls.h"

namespace baton::rpc {

class OpenInference {
 public:
  virtual ~OpenInference() = default;
  virtual grpc::Service* service() = 0;
  virtual void set_serving(bool serving) = 0;  // what ServerReady and ModelReady say
};

std::unique_ptr<OpenInference> open_inference(std::shared_ptr<Calls> calls);

}  // namespace baton::rpc

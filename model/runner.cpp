#include "model/runner.h"

#include "model/exact_runner.h"

namespace baton::model {

Result<std::unique_ptr<Runner>> Runner::create(const checkpoint::Checkpoint& checkpoint,
                                               RunnerOptions options) {
  if (options.mode != "exact") {
    return fail(ErrorCode::unsupported, "Mode \"{}\" is not served; use exact.", options.mode);
  }
  BATON_TRY(runner, ExactRunner::create(checkpoint, options));
  return std::unique_ptr<Runner>(std::move(runner));
}

}  // namespace baton::model

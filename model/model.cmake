# The runner, the sampler, and what the daemons share around them.
baton_library(model
  SOURCES step_plan.cpp step_wire.cpp rank_runner.cpp team_runner.cpp sampling.cpp instance.cpp step_thread.cpp
  LINK layers checkpoint kvcache kernels parallel proto base)

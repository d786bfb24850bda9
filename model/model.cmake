# The runner, the sampler, and what the daemons share around them.
baton_library(model
  SOURCES team/step_plan.cpp team/step_wire.cpp team/slot_loader.cpp team/rank_runner.cpp team/team_runner.cpp sampling.cpp instance.cpp step_thread.cpp
  LINK layers checkpoint kvcache kernels parallel proto base)

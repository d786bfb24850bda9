#include "deploy/up_options.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace baton::deploy {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

struct Parsed {
  std::optional<int> status;
  UpOptions options;
};

Parsed parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "baton-up");
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  Parsed parsed;
  parsed.status = parse_up_options(parsed.options, static_cast<int>(argv.size()), argv.data());
  return parsed;
}

struct ClusterFile {
  explicit ClusterFile(const std::string& text)
      : path(std::filesystem::temp_directory_path() /
             fmt::format("baton-cluster-{}-{}.yaml", ::getpid(), std::hash<std::string>()(text))) {
    std::ofstream(path) << text;
  }
  ~ClusterFile() { std::filesystem::remove(path); }
  std::filesystem::path path;
};

// The value behind a flag in a command; empty if the flag is not there.
std::string value_of(const std::vector<std::string>& command, const std::string& flag) {
  const auto found = std::find(command.begin(), command.end(), flag);
  return found == command.end() || found + 1 == command.end() ? "" : *(found + 1);
}

TEST(UpOptions, a_model_is_enough) {
  const auto parsed = parse({"--model", "/models/demo/"});
  ASSERT_FALSE(parsed.status);
  EXPECT_EQ(parsed.options.host, "127.0.0.1");
  EXPECT_EQ(parsed.options.port, 8000);
  EXPECT_EQ(parsed.options.grpc_port, 8001);
  EXPECT_EQ(parsed.options.mode, "exact");
}

TEST(UpOptions, a_certificate_and_its_key_go_to_the_gateway) {
  const auto plain = plan_cluster(parse({"--model", "/m"}).options);
  EXPECT_THAT(plain.gateway.command, Not(Contains("--tls-cert")));
  for (const char* certificate : {"--tls-cert", "--ssl-certfile"}) {
    const auto parsed = parse({"--model", "/m", certificate, "c.pem", "--tls-key", "k.pem"});
    ASSERT_FALSE(parsed.status);
    const auto plan = plan_cluster(parsed.options);
    EXPECT_EQ(value_of(plan.gateway.command, "--tls-cert"), "c.pem");
    EXPECT_EQ(value_of(plan.gateway.command, "--tls-key"), "k.pem");
  }
}

TEST(UpOptions, there_is_a_kvstore_unless_it_is_not_wanted_or_prefixes_are_not_kept) {
  const auto plan = plan_cluster(parse({"--model", "/m", "--kvstore-memory", "1G"}).options);
  ASSERT_EQ(plan.kvstores.size(), 1u);
  EXPECT_THAT(plan.kvstores[0].command.front(), EndsWith("/baton-kvstore"));
  EXPECT_EQ(value_of(plan.kvstores[0].command, "--memory"), std::to_string(size_t{1} << 30));
  EXPECT_THAT(plan.kvstores[0].command, Not(Contains("--dir")));
  EXPECT_THAT(plan.workers[0].command, Contains("--kvstore"));
  const auto disk =
      plan_cluster(parse({"--model", "/m", "--kvstore-dir", "/d", "--kvstore-disk", "2M"}).options);
  EXPECT_EQ(value_of(disk.kvstores.at(0).command, "--dir"), "/d/kvstore-0");
  EXPECT_EQ(value_of(disk.kvstores[0].command, "--disk"), std::to_string(size_t{2} << 20));
  for (const char* without : {"--no-kvstore", "--no-enable-prefix-caching"})
    EXPECT_TRUE(plan_cluster(parse({"--model", "/m", without}).options).kvstores.empty())
        << without;
}

TEST(UpOptions, several_kvstores_have_names_and_folders_of_their_own) {
  const auto plan =
      plan_cluster(parse({"--model", "/m", "--kvstores", "3", "--kvstore-dir", "/d"}).options);
  ASSERT_EQ(plan.kvstores.size(), 3u);
  EXPECT_EQ(plan.kvstores[2].name, "kvstore-2");
  EXPECT_EQ(value_of(plan.kvstores[2].command, "--name"), "kvstore-2");
  EXPECT_EQ(value_of(plan.kvstores[2].command, "--dir"), "/d/kvstore-2");
}

TEST(UpOptions, the_name_is_the_folders_however_it_is_spelled) {
  const auto above =
      std::filesystem::temp_directory_path() / ("baton-names-" + std::to_string(::getpid()));
  std::filesystem::create_directories(above / "demo");
  for (const char* spelled : {"demo", "demo/", "demo/../demo", "demo/."}) {
    const std::string model = above / spelled;
    EXPECT_EQ(parse({"--model", model}).options.served_model_name, "demo") << spelled;
  }
  std::filesystem::remove_all(above);
  EXPECT_EQ(parse({"--model", "/m/x", "--served-model-name", "y"}).options.served_model_name, "y");
}

std::string flag_of(const DaemonPlan& worker, const std::string& flag) {
  const auto at = std::ranges::find(worker.command, flag);
  return at == worker.command.end() ? "none" : *(at + 1);
}

TEST(UpOptions, compute_threads_have_cores_where_there_are_enough) {
  const std::vector<Processor> there = {{0, 0}, {1, 0}, {2, 0}, {3, 0}, {4, 1}, {5, 1}, {6, 1}};
  auto options =
      parse({"--model", "/m", "--prefill", "tp=2", "--decode", "threads=2,instances=2"}).options;
  const ClusterPlan plan = plan_cluster(options, there);
  EXPECT_EQ(flag_of(plan.workers[0], "--processors"), "0,1");
  EXPECT_EQ(flag_of(plan.workers[1], "--processors"), "2,3");
  EXPECT_EQ(flag_of(plan.workers[2], "--processors"), "4,5");
  EXPECT_EQ(flag_of(plan_cluster(options, std::span(there).first(6)).workers[0], "--processors"),
            "")
      << "none would be left for the rest";
  options.pin_threads = false;
  EXPECT_EQ(flag_of(plan_cluster(options, there).workers[0], "--processors"), "");
}

TEST(UpOptions, the_bits_of_experts_are_in_the_modes_name) {
  const auto parsed = parse({"--model", "/m", "--mode", "fast", "--expert-bits", "4"});
  EXPECT_EQ(parsed.options.mode, "fast-e4");
  const ClusterPlan plan = plan_cluster(parsed.options);
  for (const DaemonPlan& worker : plan.workers) {
    EXPECT_EQ(value_of(worker.command, "--mode"), "fast-e4");
    EXPECT_THAT(worker.command, Not(Contains("--expert-bits")));
  }
}

TEST(UpOptions, mode_and_bits_come_from_files_and_the_command_line_in_any_order) {
  for (const char* text : {"mode: fast\nexpert-bits: 4\n", "expert-bits: 4\nmode: fast\n"}) {
    const ClusterFile file(text);
    const auto parsed = parse({"--model", "/m", "--cluster", file.path});
    EXPECT_FALSE(parsed.status) << text;
    EXPECT_EQ(parsed.options.mode, "fast-e4") << text;
  }
  const ClusterFile bits("expert-bits: 4\n"), mode("mode: fast\n");
  EXPECT_EQ(parse({"--model", "/m", "--cluster", bits.path}).status, 2) << "of mode exact";
  const auto bits_in_file = parse({"--model", "/m", "--cluster", bits.path, "--mode", "fast"});
  EXPECT_FALSE(bits_in_file.status);
  EXPECT_EQ(bits_in_file.options.mode, "fast-e4");
  const auto mode_in_file = parse({"--model", "/m", "--cluster", mode.path, "--expert-bits", "4"});
  EXPECT_FALSE(mode_in_file.status);
  EXPECT_EQ(mode_in_file.options.mode, "fast-e4");
  ::setenv("BATON_EXPERT_BITS", "8", 1);
  const auto environment = parse({"--model", "/m", "--cluster", bits.path, "--mode", "fast"});
  ::unsetenv("BATON_EXPERT_BITS");
  EXPECT_FALSE(environment.status);
  EXPECT_EQ(environment.options.mode, "fast") << "which beats the file";
}

TEST(UpOptions, the_command_line_beats_the_environment_beats_the_file_beats_the_default) {
  const ClusterFile file("model: /models/m\nport: 1001\ngrpc-port: 1002\nmax-num-seqs: 3\n");
  ::setenv("BATON_GRPC_PORT", "2002", 1);
  ::setenv("BATON_PORT", "2001", 1);
  const auto parsed = parse({"--cluster", file.path, "--port", "3001"});
  ::unsetenv("BATON_GRPC_PORT");
  ::unsetenv("BATON_PORT");
  ASSERT_FALSE(parsed.status);
  EXPECT_EQ(parsed.options.model, "/models/m");
  EXPECT_EQ(parsed.options.port, 3001);
  EXPECT_EQ(parsed.options.grpc_port, 2002);
  EXPECT_EQ(parsed.options.max_num_seqs, 3u);
  EXPECT_EQ(parsed.options.max_num_batched_tokens, UpOptions().max_num_batched_tokens);
}

TEST(UpOptions, mistakes_end_with_2) {
  EXPECT_EQ(parse({}).status, 2) << "no model";
  EXPECT_EQ(parse({"--model", "m", "--nonsense"}).status, 2);
  EXPECT_EQ(parse({"--model", "m", "--port", "70000"}).status, 2);
  EXPECT_EQ(parse({"--model", "m", "--mode", "sloppy"}).status, 2);
  EXPECT_EQ(parse({"--model", "m", "--expert-bits", "4"}).status, 2) << "of mode exact";
  EXPECT_EQ(parse({"--model", "m", "--draft-tokens", "9999"}).status, 2);
  EXPECT_EQ(parse({"--model", "m", "--cluster", "/nowhere.yaml"}).status, 2);
  for (const char* text : {"nonsense: 1\n", "model: [a, b]\n", "- model\n", "just words\n"}) {
    const ClusterFile file(text);
    EXPECT_EQ(parse({"--model", "m", "--cluster", file.path}).status, 2) << text;
  }
  EXPECT_EQ(parse({"--help"}).status, 0);
}

TEST(UpOptions, a_bad_layout_or_model_is_refused_before_anything_starts) {
  UpOptions options;
  options.model = "/nowhere";
  EXPECT_THAT(check_up_options(options).error().message, HasSubstr("/nowhere"));
  options.single_process = true;
  options.decode = "tp=2";
  EXPECT_THAT(check_up_options(options).error().message, HasSubstr("--single-process"));
  options.decode = "tp=0";
  EXPECT_THAT(check_up_options(options).error().message, HasSubstr("tp"));
}

TEST(UpOptions, every_daemon_is_told_what_concerns_it) {
  UpOptions options;
  options.model = "/m";
  options.served_model_name = "name";
  options.prefill = "threads=3,instances=2";
  options.decode = "tp=1,dp=1";
  options.transport = "tcp";
  options.kv_memory = 77;
  options.max_model_len = 99;
  options.draft_tokens = 0;
  options.api_key_file = "/keys";
  const ClusterPlan plan = plan_cluster(options);
  ASSERT_EQ(plan.workers.size(), 3u);
  EXPECT_EQ(plan.workers[0].name, "prefill-0");
  EXPECT_EQ(plan.workers[1].name, "prefill-1");
  EXPECT_EQ(plan.workers[2].name, "decode-0");
  for (const DaemonPlan& worker : plan.workers) {
    EXPECT_THAT(worker.command, Contains("mpirun"));
    EXPECT_EQ(worker.drain_signal, SIGUSR1);
    EXPECT_EQ(value_of(worker.command, "--name"), worker.name);
    EXPECT_EQ(value_of(worker.command, "--model"), "/m");
    EXPECT_EQ(value_of(worker.command, "--host"), "127.0.0.1") << "whatever BATON_HOST says";
    EXPECT_EQ(value_of(worker.command, "--port"), "0") << "whatever BATON_PORT says";
    EXPECT_EQ(value_of(worker.command, "--transport"), "tcp");
    EXPECT_EQ(value_of(worker.command, "--kv-memory"), "77");
    EXPECT_EQ(value_of(worker.command, "--max-model-len"), "99");
  }
  EXPECT_THAT(value_of(plan.workers[0].command, "--layout"), HasSubstr("threads=3"));
  EXPECT_THAT(plan.workers[0].command, Not(Contains("--draft-tokens")));
  EXPECT_EQ(value_of(plan.workers[2].command, "--draft-tokens"), "0");
  EXPECT_THAT(plan.workers[0].command, Not(Contains("--no-enable-prefix-caching")));
  options.prefix_caching = false;
  const ClusterPlan off = plan_cluster(options);
  EXPECT_THAT(off.workers[0].command, Contains("--no-enable-prefix-caching"));
  EXPECT_THAT(off.workers[2].command, Contains("--no-enable-prefix-caching"));
  EXPECT_THAT(plan.scheduler.command.front(), EndsWith("baton-scheduler"));
  EXPECT_EQ(plan.scheduler.drain_signal, SIGTERM);
  EXPECT_EQ(value_of(plan.gateway.command, "--served-model-name"), "name");
  EXPECT_EQ(value_of(plan.gateway.command, "--max-model-len"), "99");
  EXPECT_EQ(value_of(plan.gateway.command, "--api-key-file"), "/keys");
}

}  // namespace
}  // namespace baton::deploy

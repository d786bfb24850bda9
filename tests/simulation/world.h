// World: one cluster on virtual time, made and broken from a seed: a gateway, a scheduler, two
// prefill and two decode instances, clients that ask and sometimes leave.
//
// run() plays it to the end, lets it settle without faults, and says what was wrong, if anything:
// an invariant broken after any step; a request that did not end exactly once; a token that differs
// from the fault-free run, or came twice, or is missing; after settling a page, session, job,
// request or charge that is left over. Everything follows from the seed. Thread safety: one thread.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/hash/counter_rng.h"
#include "model/constraint/token_trie.h"
#include "model/text/tokenizer.h"
#include "tests/simulation/network.h"
#include "tests/simulation/nodes.h"

namespace baton::simulation {

// Ways to break the world on purpose, to show that the checks see it.
enum class Sabotage : uint8_t {
  none,
  believe_frames,  // neither checksums nor digests are compared
  repeat_token,    // a decode instance says a token twice, under the next index
  drop_token,      // and the next one under its index
  lose_step,       // the answer to a step never comes: what it reads is never freed
  stale_pages,     // a page's bytes are spoilt after its commit
  spoilt_store,    // a page of the kvstore is not what its name says
  spoilt_prefix,   // a page's bytes are spoilt once prefill has handed it over and keeps it
};

struct Outcome {
  std::optional<std::string> wrong;  // the first thing, with its time
  uint32_t finished = 0, failed = 0, cancelled = 0;
  uint64_t placed_again = 0, preempted = 0, corrupt_frames = 0, crashes = 0, tokens = 0;
  uint64_t pages_kept = 0;             // by decode, of prompts: neither sent nor filled again
  uint64_t salvaged = 0, went_on = 0;  // pages of lost hand-offs; prompts that decode went on with
  uint64_t prompt_tokens = 0, cached_tokens = 0, fetched_tokens = 0;  // of finished requests
};

class World {
 public:
  World(uint64_t seed, const text::Tokenizer& tokenizer, Sabotage sabotage = Sabotage::none);
  Outcome run();

  // For the nodes.
  VirtualTime time;
  SeededRandom random;
  Network network;
  const text::Tokenizer& tokenizer;
  const constraint::TokenTrie vocabulary;
  const Sabotage sabotage;
  uint32_t pages = 64;                                          // of each instance's pool
  std::map<kvcache::PageName, std::vector<std::byte>> kvstore;  // outlives every instance
  bool settling = false;
  SchedulerNode* scheduler() { return scheduler_.get(); }
  PrefillNode* prefill(const std::string& name) { return find(prefills_, name); }
  DecodeNode* decode(const std::string& name) { return find(decodes_, name); }
  void wrong(const std::string& what);
  void corrupt_frame_seen() { ++outcome_.corrupt_frames; }
  void drained(std::string name) { replace(std::move(name), 1ms); }
  void fenced(std::string name) { replace(std::move(name), 1ms); }
  void scored(RequestId request, const PromptScoreRun& run);
  void delivered(RequestId request, const std::vector<TokenEvent>& tokens);
  void ended(RequestId request, bool finished, const server::Timeline* timeline);

 private:
  struct Client {
    RequestState request;
    std::vector<std::vector<TokenEvent>> expected;  // by choice
    std::vector<uint32_t> received;                 // by choice
    std::vector<PromptScore> scores;                // expected
    uint32_t scored = 0;
    bool ended = false, cancelled = false;
  };
  template <class T>
  T* find(const std::vector<std::unique_ptr<T>>& nodes, const std::string& name) {
    for (const auto& node : nodes)
      if (node && node->peer().name == name) return node.get();
    return nullptr;
  }
  void plan_faults();
  void plan_crashes();
  void plan_clients();
  RequestState draw_request(uint64_t id);
  std::vector<TokenId> draw_prompt();
  void check_cached(const Client& client, const server::Timeline& timeline);
  void begin(uint64_t id);
  void misfortune();
  // The process of that name dies; another life of it begins after a while.
  void replace(std::string name, Duration pause);  // by value: it may be the dying node's own
  void start(const std::string& name);
  void check_view(const Peer& peer, const kvcache::PrefixCache& cache);
  void check_settled();
  bool all_ended() const;

  bool crowded_ = false;  // many long answers at once, in small pools
  bool faulty_ = false;
  std::vector<std::vector<TokenId>> stems_;  // that prompts begin with
  Duration busy_{};                          // how long faults and new requests go on
  std::unique_ptr<GatewayNode> gateway_;
  std::unique_ptr<SchedulerNode> scheduler_;
  std::vector<std::unique_ptr<PrefillNode>> prefills_;
  std::vector<std::unique_ptr<DecodeNode>> decodes_;
  std::map<RequestId, Client> clients_;
  uint64_t lives_ = 0;
  Outcome outcome_;
};

}  // namespace baton::simulation

#include "prefill/prefill_worker.h"

#include <nlohmann/json.hpp>

#include "base/hash/counter_rng.h"
#include "kvcache/prefix/secret.h"

namespace baton::prefill {

namespace {

constexpr uint64_t kMetricsEvery = 2;  // heartbeats

PrefillSetup setup_of(const model::Instance& instance, const PrefillOptions& prefill,
                      Incarnation self) {
  const model::InstanceOptions& options = prefill.instance;
  PrefillSetup setup;
  setup.manifest = instance.manifest;
  setup.prefix_caching = prefill.prefix_caching;
  setup.pinned = prefill.pinned;
  setup.cache_secret = prefill.cache_secret.empty() ? kvcache::draw_secret() : prefill.cache_secret;
  setup.limits.chunk_tokens = options.max_batched_tokens;
  setup.limits.groups = instance.layout.dp;
  setup.limits.sequences_max = options.max_num_seqs;
  setup.self = self;
  setup.pages = instance.pool.pages();
  setup.format = instance.pool.format();
  setup.vocab_size = static_cast<uint32_t>(instance.checkpoint->config().vocab_size);
  setup.context_max = instance.context_max;
  return setup;
}

kvcache::FrameSenderOptions frame_options(const model::InstanceOptions& options) {
  kvcache::FrameSenderOptions frames;
  frames.shared_memory = options.shared_memory();
  return frames;
}

void add_store_metrics(MetricsSnapshot& all, const StoreUseCounts& use,
                       const kvcache::StoreClientCounts& client) {
  const auto count = [&all](const char* name, const char* help, uint64_t value) {
    add_counter(all, name, help, static_cast<double>(value));
  };
  count("vllm:external_prefix_cache_queries_total", "Prompt tokens looked for in the kvstore.",
        use.queried_tokens);
  count("vllm:external_prefix_cache_hits_total", "Prompt tokens that came from there.",
        use.hit_tokens);
  count("baton_prefill_store_lookups_total", "Prefixes looked up in the kvstore.", use.lookups);
  count("baton_prefill_store_declined_total", "Lookups after which computing was cheaper.",
        use.declined);
  count("baton_prefill_store_failures_total", "Lookups that the kvstore was not there for.",
        use.failures);
  count("baton_prefill_store_timeouts_total", "Lookups and reads that took too long.",
        use.timeouts);
  count("baton_prefill_store_cut_short_total", "Reads of which some pages never came.",
        use.cut_short);
  count("baton_prefill_store_pages_kept_total", "Pages that the kvstore keeps.", use.kept);
  count("baton_prefill_store_pages_not_kept_total", "Pages that it did not take.", use.not_kept);
  count("baton_prefill_store_pages_dropped_total", "Pages not written: too many waited.",
        use.dropped);
  count("baton_prefill_store_damaged_total", "Pages that came with a wrong checksum.",
        client.damaged);
  count("baton_prefill_store_read_bytes_total", "Bytes read from the kvstore.", client.bytes_read);
  count("baton_prefill_store_written_bytes_total", "Bytes written to it.", client.bytes_written);
  count("baton_prefill_store_connections_total", "Connections made to it.", client.connections);
  count("baton_prefill_store_connection_failures_total", "Connections to it that failed.",
        client.failures);
}

// Stores that nobody but their addresses names.
std::vector<kvcache::StoreAt> named(const std::vector<std::string>& addresses) {
  std::vector<kvcache::StoreAt> stores;
  for (const std::string& address : addresses) stores.push_back({address, address});
  return stores;
}

}  // namespace

PrefillWorker::PrefillWorker(boost::asio::any_io_executor executor, const Clock& clock, Log log,
                             model::Instance& instance, const PrefillOptions& options,
                             rpc::Connector& connector)
    : executor_(executor),
      log_(std::move(log)),
      instance_(instance),
      options_(options.instance),
      kvstores_(named(options.kvstores)),
      connector_(connector),
      self_(entropy()),
      state_(setup_of(instance, options, self_)),
      driver_(executor, clock, state_, Tick{}, [this](Action& action) { perform(action); }),
      frames_(kvcache::make_socket_sender(
          executor, frame_options(options_), instance.pool, clock,
          {.on_written = [this](SessionId session) { driver_.feed(FramesWritten{session}); },
           .on_down =
               [this](const std::string& address, const auto& sessions, const Error& why) {
                 log_.warning("frames.down", {{"address", address}, {"why", why.message}});
                 for (const SessionId session : sessions) driver_.feed(FramesDropped{session});
               }},
          &running_digests_)),
      stores_(make_stores(options, clock)),
      links_(
          executor,
          [this](LinkId from, ToPrefill message) {
            driver_.feed(DecodeSaid{from, std::move(message)});
          },
          [this](LinkId link, const Error&) { driver_.feed(DecodeDown{link}); }),
      digests_(
          executor, instance.pool,
          [this](JobId job, std::vector<Digest> pages) {
            driver_.feed(Digested{job, std::move(pages)});
          },
          &running_digests_),
      compute_(executor, *instance.runner, instance.pool,
               {.on_layer =
                    [this](StepId step, uint32_t layer) {
                      driver_.feed(LayerDone{step, layer});
                    },
                .on_done =
                    [this](StepId step, std::vector<model::SequenceResult> results) {
                      driver_.feed(StepDone{step, std::move(results)});
                    }}) {}

std::unique_ptr<kvcache::StoreGroup> PrefillWorker::make_stores(const PrefillOptions& options,
                                                                const Clock& clock) {
  if (!options.prefix_caching || (!options.kvstore && options.kvstores.empty())) return nullptr;
  return std::make_unique<kvcache::StoreGroup>(
      executor_, kvcache::StoreClientOptions{}, instance_.pool, clock, log_,
      kvcache::StoreClientEvents{
          .on_held =
              [this](kvcache::StoreOrder order, std::optional<uint32_t> pages) {
                driver_.feed(StoreHeld{order, pages});
              },
          .on_begin = [this](kvcache::StoreOrder order) { driver_.feed(StoreReadBegan{order}); },
          .on_page = [this](kvcache::StoreOrder order) { driver_.feed(StorePageCame{order}); },
          .on_end = [this](kvcache::StoreOrder order) { driver_.feed(StoreReadEnded{order}); },
          .on_kept = [this](uint32_t stored) { driver_.feed(PagesKept{stored}); }});
}

void PrefillWorker::know_stores(const std::vector<kvcache::StoreAt>& stores) {
  stores_->set_stores(stores);
  driver_.feed(StoresKnown{stores_->stores()});
}

rpc::Acceptors PrefillWorker::acceptors() {
  rpc::Acceptors acceptors;
  acceptors.prefill = links_.acceptor();
  return acceptors;
}

void PrefillWorker::start(const std::string& address, std::function<void()> fenced) {
  scheduler::Identity identity{{options_.name, self_, address}, Role::prefill, instance_.manifest};
  member_.emplace(executor_, connector_, options_.scheduler, std::move(identity), log_,
                  scheduler::MemberEvents{
                      .on_fenced =
                          [this, fenced = std::move(fenced)] {
                            log_.error("fenced", {{"why", "a newer instance has this name"}});
                            drain(drained_ ? drained_ : fenced);
                          },
                      .on_rebalance =
                          [this] {
                            log_.info("rebalance", {{"why", "asked for"}});
                            compute_.rebalance();
                          },
                      .on_seen = [this](const HeartbeatSeen& seen) { saw(seen); }});
  if (stores_ && !kvstores_.empty()) know_stores(kvstores_);
  driver_.feed(Tick{});
}

void PrefillWorker::saw(const HeartbeatSeen& seen) {
  driver_.feed(SchedulerSaw{seen.prefixes_seen});
  if (!stores_ || !kvstores_.empty()) return;
  std::vector<kvcache::StoreAt> there;
  for (const Peer& store : seen.kvstores) there.push_back({store.name, store.address});
  know_stores(there);
}

void PrefillWorker::drain(std::function<void()> drained) {
  drained_ = std::move(drained);
  driver_.feed(Drain{});
}

void PrefillWorker::perform(Action& action) {
  std::visit([this](auto& a) { act(a); }, action);
}

void PrefillWorker::act(TellDecode& tell) { links_.send(tell.link, std::move(tell.message)); }

void PrefillWorker::act(Compute& compute) {
  compute_.run(compute.step, std::move(compute.sequences));
}

void PrefillWorker::act(PostFrames& post) {
  if (post.frames.empty() || frames_->post(post.frame_address, post.frames)) return;
  log_.warning("frames.refused", {{"address", post.frame_address}, {"frames", post.frames.size()}});
  driver_.feed(FramesDropped{post.frames.front().header.session});
}

void PrefillWorker::act(ForgetFrames& forget) { frames_->forget(forget.session); }

void PrefillWorker::act(CopyPage& copy) {
  kvcache::copy_page(instance_.pool, copy.from, copy.to, copy.tokens);
}

void PrefillWorker::act(DigestPages& digest) {
  digests_.digest(digest.job, std::move(digest.pages), digest.tokens);
}

void PrefillWorker::act(LookUpPages& look_up) { stores_->look_up(look_up.order, look_up.pages); }

void PrefillWorker::act(ReadPages& read) { stores_->read(read.order, read.pages, read.into); }

void PrefillWorker::act(ForgetStoreOrder& forget) { stores_->forget(forget.order, forget.late); }

void PrefillWorker::act(KeepPages& keep) { stores_->keep(keep.pages); }

void PrefillWorker::act(Beat& beat) {
  if (!member_) return;
  Heartbeat heartbeat;
  heartbeat.load = beat.load;
  heartbeat.draining = beat.draining;
  heartbeat.accepted = std::move(beat.accepted);
  heartbeat.prefixes = std::move(beat.prefixes);
  heartbeat.pool = std::move(beat.pool);
  if (beats_++ % kMetricsEvery == 0) heartbeat.metrics = metrics();
  member_->beat(std::move(heartbeat));
}

void PrefillWorker::act(Drained&) {
  log_.info("drained", {});
  if (drained_) drained_();
}

MetricsSnapshot PrefillWorker::metrics() const {
  MetricsSnapshot all;
  const PrefillCounts& c = state_.counts();
  const auto count = [&all](const char* name, const char* help, uint64_t value) {
    add_counter(all, name, help, static_cast<double>(value));
  };
  count("baton_prefill_jobs_total", "Prefill jobs accepted.", c.accepted);
  count("baton_prefill_jobs_committed_total", "Prefill jobs handed over.", c.committed);
  count("baton_prefill_jobs_aborted_total", "Prefill jobs ended without a hand-off.", c.aborted);
  count("baton_prefill_jobs_refused_total", "Prefill jobs never accepted.", c.refused);
  count("baton_prefill_reservations_refused_total", "Reservations that decode refused.",
        c.reservations_refused);
  count("baton_prefill_steps_total", "Steps computed.", c.step_rows.count());
  add_counter(all, "baton_prefill_rows_total", "Prompt tokens computed.", c.step_rows.sum());
  c.step_rows.add_to(all, "vllm:iteration_tokens_total", "Rows of a step.");
  c.handoffs.add_to(all);
  add_gauge(all, "baton_num_prefill_prealloc_queue_reqs", "Jobs that decode has no pages for yet.",
            static_cast<double>(state_.jobs_unreserved()));
  add_gauge(all, "baton_num_prefill_inflight_queue_reqs",
            "Jobs that are computed and not yet committed.",
            static_cast<double>(state_.jobs_in_flight()));
  const kvcache::PrefixCacheCounts& p = state_.cache().counts();
  count("vllm:prefix_cache_queries_total", "Prompt tokens looked for in the prefix cache.",
        p.queried_tokens);
  count("vllm:prefix_cache_hits_total", "Prompt tokens found there.", p.hit_tokens);
  count("baton_prefix_pages_published_total", "Pages listed in the prefix cache.",
        p.pages_published);
  count("baton_prefix_pages_evicted_total", "Pages that gave way to others.", p.pages_evicted);
  count("baton_frames_posted_total", "Frames posted.", c.frames_posted);
  count("baton_frames_posted_again_total", "Frames that decode asked for again.",
        c.frames_posted_again);
  count("baton_prefill_pages_not_sent_total", "Pages of hand-offs that decode had already.",
        c.pages_not_sent);
  const kvcache::FrameSenderCounts& f = frames_->counts();
  count("baton_frames_sent_total", "Frames written.", f.frames);
  count("baton_frame_bytes_sent_total", "Bytes of latent cache handed over.", f.bytes);
  count("baton_frames_sent_shared_total", "Frames whose payload was mapped, not sent.", f.shared);
  count("baton_frames_dropped_total", "Frames dropped with their connection.", f.dropped);
  if (stores_) add_store_metrics(all, c.store, stores_->counts());
  const StoreCosts& costs = state_.costs();
  if (costs.page_seconds() > 0)
    add_gauge(all, "baton_prefill_store_bytes_per_second",
              "As reading from the kvstore went of late.",
              static_cast<double>(instance_.pool.format().page_bytes()) / costs.page_seconds());
  if (costs.token_seconds() > 0)
    add_gauge(all, "baton_prefill_tokens_per_second", "As computing went of late.",
              1 / costs.token_seconds());
  add_gauge(all, "baton_layout_info", "Always 1.", 1,
            {{"layout", parallel::to_string(instance_.layout)}});
  model::add_expert_metrics(all, *instance_.runner);
  return all;
}

}  // namespace baton::prefill

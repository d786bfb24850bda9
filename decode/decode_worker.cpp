#include "decode/decode_worker.h"

#include <boost/asio/post.hpp>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/hash/counter_rng.h"
#include "kvcache/prefix/secret.h"

namespace baton::decode {

namespace {

constexpr uint64_t kMetricsEvery = 2;  // heartbeats

DecodeSetup setup_of(const model::Instance& instance, const DecodeOptions& options,
                     Incarnation self) {
  const checkpoint::ModelConfig& config = instance.checkpoint->config();
  DecodeSetup setup;
  setup.limits.groups = instance.layout.dp;
  setup.limits.sequences_max = options.instance.max_num_seqs;
  setup.limits.rows_max = options.instance.max_batched_tokens;
  setup.limits.draft_tokens = instance.runner->has_mtp() ? options.draft_tokens : 0;
  setup.model.vocab_size = static_cast<uint32_t>(config.vocab_size);
  setup.model.context_max = instance.context_max;
  setup.model.end_tokens.assign(config.eos_token_ids.begin(), config.eos_token_ids.end());
  setup.pages = instance.pool.pages();
  setup.format = instance.pool.format();
  setup.self = self;
  setup.limits.local_prefill_tokens = options.local_prefill_tokens;
  setup.manifest = instance.manifest;
  setup.prefix_caching = options.prefix_caching;
  setup.pinned = options.pinned;
  setup.cache_secret = options.cache_secret.empty() ? kvcache::draw_secret() : options.cache_secret;
  return setup;
}

}  // namespace

void fit_rows(DecodeOptions& options) {
  const uint32_t least =
      options.instance.max_num_seqs * (1 + options.draft_tokens) + DecodeLimits().fill_rows_min;
  options.instance.max_batched_tokens = std::max(options.instance.max_batched_tokens, least);
}

DecodeWorker::DecodeWorker(boost::asio::any_io_executor executor, const Clock& clock, Log log,
                           model::Instance& instance, const text::Tokenizer& tokenizer,
                           const DecodeOptions& options, rpc::Connector& connector)
    : executor_(executor),
      log_(std::move(log)),
      instance_(instance),
      options_(options),
      connector_(connector),
      self_(entropy()),
      forms_(executor, tokenizer, static_cast<uint32_t>(instance.checkpoint->config().vocab_size),
             [this](Forms::Key key, CompiledForm form) {
               driver_.feed(FormCompiled{std::move(key), std::move(form)});
             }),
      state_(setup_of(instance, options, self_), tokenizer, entropy),
      driver_(executor, clock, state_, Tick{}, [this](Action& action) { perform(action); }),
      gateways_(
          executor,
          [this](LinkId from, ToDecode message) {
            driver_.feed(GatewaySaid{from, std::move(message)});
          },
          [this](LinkId link, const Error&) { driver_.feed(GatewayDown{link}); }),
      digests_(
          executor, instance.pool,
          [this](JobId job, std::vector<Digest> pages) {
            driver_.feed(Digested{job, std::move(pages)});
          },
          &running_digests_),
      compute_(executor, *instance.runner, instance.pool,
               {.on_layer = {},
                .on_done = [this](StepId step, std::vector<model::SequenceResult> results) {
                  driver_.feed(StepDone{step, std::move(results)});
                }}) {}

Result<std::unique_ptr<DecodeWorker>> DecodeWorker::create(
    boost::asio::any_io_executor executor, const Clock& clock, Log log, model::Instance& instance,
    const text::Tokenizer& tokenizer, const DecodeOptions& options, rpc::Connector& connector) {
  std::unique_ptr<DecodeWorker> worker(
      new DecodeWorker(executor, clock, std::move(log), instance, tokenizer, options, connector));
  kvcache::FrameServerOptions frames;
  frames.host = options.instance.host;
  frames.port = options.frame_port;
  frames.shared_memory = options.instance.shared_memory();
  BATON_TRY(server, kvcache::FrameServer::listen(
                        executor, frames, worker->state_.receiver(), instance.pool, clock,
                        [self = worker.get()](const kvcache::Landing& l) { self->landed(l); },
                        &worker->running_digests_));
  worker->frame_server_ = std::move(server);
  worker->state_.set_frame_address(worker->frame_server_->address());
  return worker;
}

rpc::Acceptors DecodeWorker::acceptors() {
  rpc::Acceptors acceptors;
  acceptors.decode = gateways_.acceptor();
  return acceptors;
}

rpc::Link<ToPrefill>& DecodeWorker::link_to(const Peer& prefill) {
  auto& link = prefills_[prefill.incarnation];
  if (link) return *link;
  const Incarnation id = prefill.incarnation;
  rpc::LinkEvents<FromPrefill> events;
  events.on_message = [this, prefill](FromPrefill message) {
    driver_.feed(PrefillSaid{prefill, std::move(message)});
  };
  events.on_down = [this, id, name = prefill.name](const Error& error) {
    log_.warning("prefill.lost", {{"peer", name}, {"why", error.message}});
    auto gone = prefills_.extract(id);
    driver_.feed(PrefillDown{id});
    boost::asio::post(executor_, [link = std::move(gone)] {});
  };
  link = connector_.to_prefill(prefill.address, std::move(events));
  return *link;
}

void DecodeWorker::start(const std::string& address, std::function<void()> fenced) {
  scheduler::Identity identity{
      {options_.instance.name, self_, address}, Role::decode, instance_.manifest};
  member_.emplace(executor_, connector_, options_.instance.scheduler, std::move(identity), log_,
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
                      .on_seen =
                          [this](const HeartbeatSeen& seen) {
                            driver_.feed(SchedulerSaw{seen.prefixes_seen});
                          }});
  driver_.feed(Tick{});
}

void DecodeWorker::drain(std::function<void()> drained) {
  drained_ = std::move(drained);
  driver_.feed(Drain{});
}

void DecodeWorker::landed(const kvcache::Landing& landing) {
  if (landing.verdict == kvcache::FrameVerdict::admitted) {
    driver_.feed(FrameLanded{landing.session});
    return;
  }
  log_.warning("frame.refused", {{"verdict", kvcache::to_string(landing.verdict)},
                                 {"layer", landing.frame.layer},
                                 {"page", landing.frame.page}});
}

void DecodeWorker::perform(Action& action) {
  std::visit([this](auto& a) { act(a); }, action);
}

void DecodeWorker::act(TellGateway& tell) { gateways_.send(tell.link, std::move(tell.message)); }

void DecodeWorker::act(TellPrefill& tell) { link_to(tell.prefill).send(std::move(tell.message)); }

void DecodeWorker::act(DigestPages& digest) {
  digests_.digest(digest.job, std::move(digest.pages), digest.tokens);
}

void DecodeWorker::act(CopyPage& copy) {
  for (uint32_t layer = 0; layer < instance_.pool.format().layers; ++layer) {
    const auto from = std::as_const(instance_.pool).block(copy.from, layer);
    std::memcpy(instance_.pool.block(copy.to, layer).data(), from.data(), from.size());
  }
}

void DecodeWorker::act(Compute& compute) {
  compute_.run(compute.step, std::move(compute.sequences));
}

void DecodeWorker::act(CompileForm& order) { forms_.compile(std::move(order.key)); }

void DecodeWorker::act(Beat& beat) {
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

void DecodeWorker::act(Drained&) {
  log_.info("drained", {});
  if (drained_) drained_();
}

MetricsSnapshot DecodeWorker::metrics() {
  MetricsSnapshot all;
  const DecodeCounts& c = state_.counts();
  const auto count = [&all](const char* name, const char* help, uint64_t value) {
    add_counter(all, name, help, static_cast<double>(value));
  };
  count("baton_decode_requests_total", "Requests accepted.", c.accepted);
  count("baton_decode_finished_total", "Requests answered to the end.", c.finished);
  count("baton_decode_cancelled_total", "Requests cancelled.", c.cancelled);
  count("baton_decode_given_up_total", "Requests given back to their gateway.", c.given_up);
  count("baton_decode_preempted_total", "Requests that gave way to older ones.", c.preempted);
  count("baton_decode_refused_total", "Requests never accepted.", c.refused);
  count("baton_decode_steps_total", "Steps computed.", c.step_rows.count());
  add_counter(all, "baton_decode_rows_total", "Rows computed in these steps.", c.step_rows.sum());
  c.step_rows.add_to(all, "vllm:iteration_tokens_total", "Rows of a step.");
  add_counter(all, "baton_decode_step_seconds_total", "Time that these steps took.",
              to_seconds(c.computing));
  count("baton_decode_tokens_total", "Tokens generated.", c.tokens);
  count("baton_decode_tokens_replayed_total", "Known tokens computed again.", c.tokens_replayed);
  count("baton_decode_pages_kept_total", "Pages of prompts that were here, not sent or filled.",
        c.pages_kept);
  count("baton_decode_pages_salvaged_total",
        "Pages that stayed here of hand-offs that ended without a commit.",
        state_.salvaged_pages());
  count("baton_decode_prompts_went_on_total",
        "Prompts whose prefill was lost and whose rest was filled here.", c.went_on);
  count("baton_decode_pages_evicted_total", "Pages kept for prompts to come that gave way.",
        state_.cache().counts().pages_evicted);
  count("baton_mtp_drafted_tokens_total", "Drafts verified.", c.drafts_tried);
  count("baton_mtp_accepted_tokens_total", "Drafts accepted.", c.drafts_accepted);
  add_gauge(all, "baton_mtp_draft_depth", "Drafts a sequence that the last step aimed at.",
            static_cast<double>(c.draft_depth));
  add_gauge(all, "baton_num_decode_prealloc_queue_reqs", "Requests without pages for their prompt.",
            static_cast<double>(state_.without_pages()));
  add_gauge(all, "baton_num_decode_transfer_queue_reqs", "Requests whose prompt is handed over.",
            static_cast<double>(state_.receiving()));
  const auto& verdicts = state_.receiver().frame_counts();
  for (size_t v = 0; v < verdicts.size(); ++v) {
    add_counter(all, "baton_frames_received_total", "Frames by what became of them.",
                static_cast<double>(verdicts[v]),
                {{"verdict", kvcache::to_string(static_cast<kvcache::FrameVerdict>(v))}});
  }
  const kvcache::FrameServerCounts& f = frame_server_->counts();
  count("baton_frame_connections_total", "Frame connections accepted.", f.connections);
  count("baton_frame_connections_shared_total", "Of these, over shared memory.", f.shared);
  count("baton_frame_violations_total", "Frame connections that broke the protocol.", f.violations);
  count("baton_frame_timeouts_total", "Frame connections that stood still.", f.timeouts);
  count("baton_frame_bytes_received_total", "Bytes copied and verified.", f.bytes);
  add_gauge(all, "baton_layout_info", "Always 1.", 1,
            {{"layout", parallel::to_string(instance_.layout)}});
  model::add_expert_metrics(all, *instance_.runner);
  return all;
}

}  // namespace baton::decode

#include "server/gateway.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <nlohmann/json.hpp>

namespace baton::server {

namespace asio = boost::asio;

namespace {

prometheus::Counter& migrations(Metrics& metrics, const char* outcome) {
  return metrics.counter("baton_migrations_total",
                         "Requests placed again, by what became of them there.",
                         {{"outcome", outcome}});
}

api::ApiError error_of(const Failed& failed) {
  switch (failed.why) {
    case Failure::full:
      return api::to_api(fail(ErrorCode::resource_exhausted, "{}", failed.reason),
                         failed.retry_after);
    case Failure::unavailable:
      return api::to_api(fail(ErrorCode::unavailable, "{}", failed.reason), failed.retry_after);
    case Failure::deadline:
      return api::to_api(fail(ErrorCode::deadline_exceeded, "{}", failed.reason));
    case Failure::invalid:
      return api::to_api(fail(ErrorCode::invalid_argument, "{}", failed.reason));
  }
  return api::to_api(fail(ErrorCode::internal, "{}", failed.reason));
}

}  // namespace

// Cancels when it is destroyed before the end; may be destroyed from inside the request's events.
class Gateway::Handle final : public Generation {
 public:
  Handle(Gateway& gateway, std::weak_ptr<bool> alive, RequestId id)
      : gateway_(gateway), alive_(std::move(alive)), id_(id) {}
  ~Handle() override {
    if (alive_.lock()) gateway_.cancelled(id_);
  }

 private:
  Gateway& gateway_;
  std::weak_ptr<bool> alive_;
  RequestId id_;
};

Gateway::Gateway(asio::any_io_executor executor, GatewayOptions options, const Clock& clock,
                 rpc::Connector& connector, std::function<uint64_t()> draw, Metrics& metrics,
                 Log log)
    : executor_(executor),
      options_(std::move(options)),
      clock_(clock),
      connector_(connector),
      draw_(std::move(draw)),
      log_(std::move(log)),
      state_(options_.limits),
      wake_(executor),
      reconnect_(executor),
      probe_again_(executor),
      alive_(std::make_shared<bool>(true)),
      resumed_(migrations(metrics, "resumed")),
      lost_again_(migrations(metrics, "failed")),
      left_since_(migrations(metrics, "cancelled")),
      cancelled_(metrics.counter("baton_cancelled_total", "Requests cancelled by clients.")),
      strays_(metrics.counter("baton_stray_messages_total",
                              "Messages of attempts that were given up.")),
      live_(metrics.gauge("baton_gateway_requests", "Requests that have not ended.")) {
  connect_scheduler();
}

Gateway::~Gateway() {
  probe_.reset();
  alive_.reset();
}

std::unique_ptr<Generation> Gateway::submit(RequestState request, GenerationEvents events) {
  do {
    request.id = RequestId(draw_());
  } while (requests_.contains(request.id));
  const RequestId id = request.id;
  auto running = std::make_shared<Running>();
  running->events = std::move(events);
  running->membership = readiness_.membership();
  requests_.emplace(id, std::move(running));
  const Duration time_left = request.time_left.value_or(options_.deadline);
  auto prefix = prefix_of(request);
  enqueue(Begin{std::move(request), std::min(time_left, options_.deadline), std::move(prefix)});
  return std::make_unique<Handle>(*this, alive_, id);
}

std::vector<uint64_t> Gateway::prefix_of(const RequestState& request) const {
  std::vector<uint64_t> prefix;
  if (!namer_ || request.prompt.empty() || request.report.prompt_logprobs) return prefix;
  const std::string tenant = kvcache::cache_tenant(request.tenant, request.cache_salt);
  const auto entries = std::span(request.prompt).first(request.prompt.size() - 1);
  for (const kvcache::PageName& name : namer_->names(tenant, entries).full)
    prefix.push_back(name.short_name());
  return prefix;
}

void Gateway::cancelled(RequestId id) {
  if (requests_.erase(id) > 0) enqueue(ClientGone{id});
}

void Gateway::drain() {
  readiness_.drain();
  probe_.reset();
  probe_again_.cancel();
  tell_readiness();
}

void Gateway::enqueue(Event event) {
  events_.push_back(std::move(event));
  if (scheduled_) return;
  scheduled_ = true;
  asio::post(executor_, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.lock()) work_off();
  });
}

void Gateway::work_off() {
  scheduled_ = false;
  dead_.clear();
  // Only what is there now: what these cause comes in the next turn, so that sockets get theirs.
  for (size_t left = events_.size(); left > 0; --left) {
    const Event event = std::move(events_.front());
    events_.pop_front();
    for (auto& action : state_.step(event, clock_.now())) act(std::move(action));
  }
  count();
  arm_timer();
}

void Gateway::act(Action action) {
  if (auto* tell = std::get_if<TellScheduler>(&action)) {
    tell_scheduler(std::move(tell->message));
  } else if (auto* decode = std::get_if<TellDecode>(&action)) {
    tell_decode(std::move(*decode));
  } else if (const auto* tokens = std::get_if<Deliver>(&action)) {
    deliver(*tokens);
  } else if (const auto* finished = std::get_if<Finished>(&action)) {
    const auto node = requests_.extract(finished->request);
    if (node) node.mapped()->events.on_finished(finished->timeline);
  } else if (const auto* failed = std::get_if<Failed>(&action)) {
    const auto node = requests_.extract(failed->request);
    if (node) node.mapped()->events.on_failed(error_of(*failed));
  }
}

void Gateway::deliver(const Deliver& deliver) {
  const auto found = requests_.find(deliver.request);
  if (found == requests_.end()) return;
  const auto running = found->second;  // the receiver may cancel, which erases it
  if (!deliver.tokens.empty()) {
    readiness_.token_produced(running->membership);
    tell_readiness();
  }
  if (deliver.scores && running->events.on_scores) running->events.on_scores(*deliver.scores);
  if (!deliver.tokens.empty()) running->events.on_tokens(deliver.tokens);
}

void Gateway::connect_scheduler() {
  rpc::LinkEvents<FromScheduler> events;
  events.on_message = [this](FromScheduler message) { scheduler_said(std::move(message)); };
  events.on_down = [this](const Error& error) { scheduler_down(error); };
  scheduler_ = connector_.to_scheduler(options_.scheduler, std::move(events));
  enqueue(SchedulerUp{});
  tell_scheduler(WatchCluster{});
}

void Gateway::tell_scheduler(ToScheduler message) {
  if (scheduler_) scheduler_->send(std::move(message));
}

void Gateway::scheduler_said(FromScheduler message) {
  reconnect_pause_ = {};
  if (auto* view = std::get_if<ClusterView>(&message)) {
    const bool changed = view->membership != cluster_.membership;
    cluster_ = std::move(*view);
    if (changed) {
      log_.info("cluster",
                {{"membership", cluster_.membership}, {"instances", cluster_.instances.size()}});
      const auto prefill =
          std::ranges::find(cluster_.instances, Role::prefill, &InstanceView::role);
      if (prefill != cluster_.instances.end() && !options_.cache_secret.empty())
        namer_.emplace(prefill->manifest, options_.cache_secret);
    }
    readiness_.cluster_seen(cluster_);
    tell_readiness();
    return probe_if_due();
  }
  enqueue(SchedulerSaid{std::move(message)});
}

void Gateway::scheduler_down(const Error& error) {
  const nlohmann::json what = {{"scheduler", options_.scheduler}, {"why", error.message}};
  if (reconnect_pause_ == Duration{}) {
    log_.warning("scheduler_down", what);
  } else {
    log_.debug("scheduler_still_down", what);
  }
  readiness_.scheduler_lost();
  enqueue(SchedulerDown{});
  reconnect_pause_ =
      std::clamp(reconnect_pause_ * 2, options_.reconnect_min, options_.reconnect_max);
  reconnect_.expires_after(reconnect_pause_);
  reconnect_.async_wait([this, alive = std::weak_ptr<bool>(alive_)](auto failed) {
    if (!failed && alive.lock()) connect_scheduler();  // the old link is destroyed here
  });
}

void Gateway::tell_decode(TellDecode tell) {
  const Incarnation incarnation = tell.decode.incarnation;
  auto found = decodes_.find(incarnation);
  if (found == decodes_.end()) {
    rpc::LinkEvents<FromDecode> events;
    events.on_message = [this, peer = tell.decode](FromDecode message) {
      enqueue(DecodeSaid{peer, std::move(message)});
    };
    events.on_down = [this, incarnation](const Error& error) {
      log_.warning("decode_down", {{"incarnation", incarnation.value}, {"why", error.message}});
      enqueue(DecodeDown{incarnation});
      const auto link = decodes_.find(incarnation);
      if (link == decodes_.end()) return;
      dead_.push_back(std::move(link->second));  // not destroyed from inside its own event
      decodes_.erase(link);
    };
    DecodeLink link{connector_.to_decode(tell.decode.address, std::move(events))};
    found = decodes_.emplace(incarnation, std::move(link)).first;
  }
  found->second.link->send(std::move(tell.message));
}

void Gateway::arm_timer() {
  const auto deadline = state_.next_deadline();
  if (!deadline) {
    wake_.cancel();
    return;
  }
  wake_.expires_after(std::max(Duration{}, *deadline - clock_.now()));
  wake_.async_wait([this, alive = std::weak_ptr<bool>(alive_)](auto failed) {
    if (!failed && alive.lock()) enqueue(Tick{});
  });
}

void Gateway::probe_if_due() {
  if (!readiness_.probe_due(clock_.now())) return arm_probe();
  readiness_.probe_sent();
  GenerationEvents events;
  events.on_tokens = [](std::span<const TokenEvent>) {};
  events.on_finished = [this](const Timeline&) {
    readiness_.probe_finished();
    tell_readiness();
    probe_if_due();
  };
  events.on_failed = [this](const api::ApiError& error) {
    log_.warning("probe_failed", {{"why", error.message}});
    readiness_.probe_failed(error.message, clock_.now());
    tell_readiness();
    arm_probe();
  };
  RequestState probe = options_.probe;
  probe.sampling.seed = draw_();
  probe_ = submit(std::move(probe), std::move(events));
}

void Gateway::arm_probe() {
  const auto next = readiness_.next_probe();
  if (!next) return;
  probe_again_.expires_after(std::max(Duration{}, *next - clock_.now()));
  probe_again_.async_wait([this, alive = std::weak_ptr<bool>(alive_)](auto failed) {
    if (!failed && alive.lock()) probe_if_due();
  });
}

void Gateway::tell_readiness() {
  const Readiness now = readiness_.readiness();
  if (now.ready == last_told_.ready && now.reason == last_told_.reason) return;
  last_told_ = now;
  log_.info("readiness", {{"ready", now.ready}, {"reason", now.reason}});
  if (told_) told_(now);
}

void Gateway::count() {
  const GatewayCounts& counts = state_.counts();
  resumed_.Increment(static_cast<double>(counts.resumed - counted_.resumed));
  lost_again_.Increment(static_cast<double>(counts.lost_again - counted_.lost_again));
  left_since_.Increment(static_cast<double>(counts.left_since - counted_.left_since));
  cancelled_.Increment(static_cast<double>(counts.cancelled - counted_.cancelled));
  strays_.Increment(static_cast<double>(counts.strays - counted_.strays));
  counted_ = counts;
  live_.Set(static_cast<double>(state_.live()));
}

}  // namespace baton::server

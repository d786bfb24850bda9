#include "proto/codec_internal.h"

namespace baton::rpc {

namespace {

// Beside the functions of this unit.
using rpc::decode;
using rpc::encode;

v1::GiveUp encode(GiveUp from) {
  switch (from) {
    case GiveUp::place_again:
      return v1::GIVE_UP_PLACE_AGAIN;
    case GiveUp::full:
      return v1::GIVE_UP_FULL;
    case GiveUp::deadline:
      return v1::GIVE_UP_DEADLINE;
    case GiveUp::invalid:
      return v1::GIVE_UP_INVALID;
    case GiveUp::draining:
      return v1::GIVE_UP_DRAINING;
    case GiveUp::preempted:
      return v1::GIVE_UP_PREEMPTED;
  }
  return v1::GIVE_UP_UNSPECIFIED;
}

GiveUp decode(v1::GiveUp from, Fault& fault) {
  switch (from) {
    case v1::GIVE_UP_PLACE_AGAIN:
      return GiveUp::place_again;
    case v1::GIVE_UP_FULL:
      return GiveUp::full;
    case v1::GIVE_UP_DEADLINE:
      return GiveUp::deadline;
    case v1::GIVE_UP_INVALID:
      return GiveUp::invalid;
    case v1::GIVE_UP_DRAINING:
      return GiveUp::draining;
    case v1::GIVE_UP_PREEMPTED:
      return GiveUp::preempted;
    default:
      fault.note("GaveUp.why", "is an unknown reason");
      return GiveUp::place_again;
  }
}

void encode(SessionId from, v1::Session* to) {
  to->set_high(from.high);
  to->set_low(from.low);
}

SessionId decode(const v1::Session& from) { return {.high = from.high(), .low = from.low()}; }

// ---- gateway <-> decode

void encode_kind(const Submit& from, v1::ToDecode* message) {
  auto* to = message->mutable_submit();
  to->set_to(from.to.value);
  encode(from.request, to->mutable_request());
  if (from.prefill) encode(*from.prefill, to->mutable_prefill());
}

Submit decode(const v1::Submit& from, Fault& fault) {
  fault.need(from.has_request(), "Submit.request");
  Submit to;
  to.to = Incarnation(from.to());
  to.request = decode(from.request(), fault);
  if (from.has_prefill()) to.prefill = decode(from.prefill());
  return to;
}

void encode_kind(const Cancel& from, v1::ToDecode* message) {
  auto* to = message->mutable_cancel();
  to->set_request(from.request.value);
  to->set_attempt(from.attempt.value);
}

void encode_kind(const Progress& from, v1::FromDecode* message) {
  auto* to = message->mutable_progress();
  to->set_request(from.request.value);
  to->set_attempt(from.attempt.value);
  for (const auto& token : from.tokens) encode(token, to->add_tokens());
  if (from.scores) encode(*from.scores, to->mutable_scores());
  if (!from.times) return;
  auto* times = to->mutable_times();
  times->set_queued_ns(from.times->queued.count());
  times->set_prefilled_ns(from.times->prefilled.count());
  times->set_exposed_ns(from.times->exposed.count());
  times->set_waited_ns(from.times->waited.count());
  times->set_first_step_ns(from.times->first_step.count());
  times->set_cached_tokens(from.times->cached_tokens);
  times->set_fetched_tokens(from.times->fetched_tokens);
  times->set_kvstore(utf8(from.times->kvstore));
}

Progress decode(const v1::Progress& from, Fault& fault) {
  Progress to;
  to.request = RequestId(from.request());
  to.attempt = Attempt(from.attempt());
  to.tokens.reserve(from.tokens_size());
  for (const auto& token : from.tokens()) to.tokens.push_back(decode(token, fault));
  if (from.has_times()) {
    const auto& times = from.times();
    to.times = {.queued = fault.elapsed(times.queued_ns(), "DecodeTimes.queued_ns"),
                .prefilled = fault.elapsed(times.prefilled_ns(), "DecodeTimes.prefilled_ns"),
                .exposed = fault.elapsed(times.exposed_ns(), "DecodeTimes.exposed_ns"),
                .waited = fault.elapsed(times.waited_ns(), "DecodeTimes.waited_ns"),
                .first_step = fault.elapsed(times.first_step_ns(), "DecodeTimes.first_step_ns"),
                .cached_tokens = times.cached_tokens(),
                .fetched_tokens = times.fetched_tokens(),
                .kvstore = times.kvstore()};
  }
  if (from.has_scores()) to.scores = decode(from.scores(), fault);
  return to;
}

void encode_kind(const GaveUp& from, v1::FromDecode* message) {
  auto* to = message->mutable_gave_up();
  to->set_request(from.request.value);
  to->set_attempt(from.attempt.value);
  to->set_why(encode(from.why));
  if (from.blame) to->set_blame(from.blame->value);
  to->set_reason(utf8(from.reason));
}

GaveUp decode(const v1::GaveUp& from, Fault& fault) {
  GaveUp to;
  to.request = RequestId(from.request());
  to.attempt = Attempt(from.attempt());
  to.why = decode(from.why(), fault);
  if (from.has_blame()) to.blame = Incarnation(from.blame());
  to.reason = from.reason();
  return to;
}

// ---- decode -> prefill

void encode_kind(const PrefillJob& from, v1::ToPrefill* message) {
  auto* to = message->mutable_prefill_job();
  to->set_to(from.to.value);
  to->set_job(from.job.value);
  to->set_request(from.request.value);
  to->set_attempt(from.attempt.value);
  encode_tokens(from.prompt, to->mutable_prompt());
  to->set_tenant(from.tenant);
  to->set_cache_salt(from.cache_salt);
  to->set_priority(from.priority);
  if (from.time_left) to->set_time_left_ns(from.time_left->count());
  if (from.prompt_logprobs) to->set_prompt_logprobs(*from.prompt_logprobs);
}

PrefillJob decode(const v1::PrefillJob& from, Fault& fault) {
  PrefillJob to;
  to.to = Incarnation(from.to());
  to.job = JobId(from.job());
  to.request = RequestId(from.request());
  to.attempt = Attempt(from.attempt());
  to.prompt = fault.tokens(from.prompt(), "PrefillJob.prompt");
  to.tenant = from.tenant();
  to.cache_salt = from.cache_salt();
  to.priority = from.priority();
  if (from.has_time_left_ns()) to.time_left = Duration(from.time_left_ns());
  if (from.has_prompt_logprobs()) to.prompt_logprobs = from.prompt_logprobs();
  return to;
}

void encode_kind(const Reserved& from, v1::ToPrefill* message) {
  auto* to = message->mutable_reserved();
  to->set_job(from.job.value);
  encode(from.session, to->mutable_session());
  for (const auto& page : from.pages) {
    auto* entry = to->add_pages();
    entry->set_page(page.page.value);
    entry->set_epoch(page.epoch.value);
  }
  to->set_frame_address(utf8(from.frame_address));
  to->set_lease_ns(from.lease.count());
  to->set_kept(from.kept);
}

Reserved decode(const v1::Reserved& from, Fault& fault) {
  fault.need(from.has_session(), "Reserved.session");
  Reserved to;
  to.job = JobId(from.job());
  to.session = decode(from.session());
  to.pages.reserve(from.pages_size());
  for (const auto& page : from.pages())
    to.pages.push_back({.page = PageId(page.page()), .epoch = Epoch(page.epoch())});
  to.frame_address = from.frame_address();
  to.lease = fault.elapsed(from.lease_ns(), "Reserved.lease_ns");
  to.kept = from.kept();
  return to;
}

void encode_kind(const NotBefore& from, v1::ToPrefill* message) {
  auto* to = message->mutable_not_before();
  to->set_job(from.job.value);
  to->set_delay_ns(from.delay.count());
}

NotBefore decode(const v1::NotBefore& from, Fault& fault) {
  return {.job = JobId(from.job()), .delay = fault.elapsed(from.delay_ns(), "NotBefore.delay_ns")};
}

void encode_kind(const Resend& from, v1::ToPrefill* message) {
  auto* to = message->mutable_resend();
  to->set_job(from.job.value);
  encode(from.session, to->mutable_session());
  for (const auto& frame : from.frames) {
    auto* entry = to->add_frames();
    entry->set_layer(frame.layer);
    entry->set_page(frame.page);
  }
}

Resend decode(const v1::Resend& from, Fault& fault) {
  fault.need(from.has_session(), "Resend.session");
  Resend to;
  to.job = JobId(from.job());
  to.session = decode(from.session());
  to.frames.reserve(from.frames_size());
  for (const auto& frame : from.frames())
    to.frames.push_back({.layer = frame.layer(), .page = frame.page()});
  return to;
}

void encode_kind(const Commit& from, v1::ToPrefill* message) {
  auto* to = message->mutable_commit();
  to->set_job(from.job.value);
  encode(from.session, to->mutable_session());
}

Commit decode(const v1::Commit& from, Fault& fault) {
  fault.need(from.has_session(), "Commit.session");
  return {.job = JobId(from.job()), .session = decode(from.session())};
}

// ---- prefill -> decode

void encode_kind(const Reserve& from, v1::FromPrefill* message) {
  auto* to = message->mutable_reserve();
  to->set_job(from.job.value);
  to->set_pages(from.pages);
}

void encode_kind(const Seal& from, v1::FromPrefill* message) {
  auto* to = message->mutable_seal();
  to->set_job(from.job.value);
  encode(from.session, to->mutable_session());
  for (const auto& page : from.pages) encode(page, to->add_pages());
  to->set_computed_ns(from.computed.count());
  to->set_cached(from.cached);
  to->set_fetched(from.fetched);
  to->set_kvstore(utf8(from.kvstore));
}

Seal decode(const v1::Seal& from, Fault& fault) {
  fault.need(from.has_session(), "Seal.session");
  Seal to;
  to.job = JobId(from.job());
  to.session = decode(from.session());
  to.pages.reserve(from.pages_size());
  for (const auto& page : from.pages()) to.pages.push_back(decode(page));
  to.computed = fault.elapsed(from.computed_ns(), "Seal.computed_ns");
  to.cached = from.cached();
  to.fetched = from.fetched();
  to.kvstore = from.kvstore();
  return to;
}

void encode_kind(const PromptScores& from, v1::FromPrefill* message) {
  auto* to = message->mutable_prompt_scores();
  to->set_job(from.job.value);
  encode(from.scores, to->mutable_scores());
}

PromptScores decode(const v1::PromptScores& from, Fault& fault) {
  fault.need(from.has_scores(), "PromptScores.scores");
  return {.job = JobId(from.job()), .scores = decode(from.scores(), fault)};
}

void encode_kind(const JobAlive& from, v1::FromPrefill* message) {
  auto* to = message->mutable_job_alive();
  to->set_job(from.job.value);
  to->set_tokens_done(from.tokens_done);
}

// Either way, so for both messages.
template <class Message>
void encode_kind(const Abort& from, Message* message) {
  auto* to = message->mutable_abort();
  to->set_job(from.job.value);
  to->set_reason(utf8(from.reason));
}

Abort decode(const v1::Abort& from) { return {.job = JobId(from.job()), .reason = from.reason()}; }

}  // namespace

void encode(const ToDecode& from, v1::ToDecode* to) {
  std::visit([to](const auto& kind) { encode_kind(kind, to); }, from);
}
void encode(const FromDecode& from, v1::FromDecode* to) {
  std::visit([to](const auto& kind) { encode_kind(kind, to); }, from);
}
void encode(const ToPrefill& from, v1::ToPrefill* to) {
  std::visit([to](const auto& kind) { encode_kind(kind, to); }, from);
}
void encode(const FromPrefill& from, v1::FromPrefill* to) {
  std::visit([to](const auto& kind) { encode_kind(kind, to); }, from);
}

Result<ToDecode> decode(const v1::ToDecode& from) {
  Fault fault;
  switch (from.kind_case()) {
    case v1::ToDecode::kSubmit:
      return checked<ToDecode>(decode(from.submit(), fault), fault);
    case v1::ToDecode::kCancel:
      return ToDecode(Cancel{RequestId(from.cancel().request()), Attempt(from.cancel().attempt())});
    case v1::ToDecode::KIND_NOT_SET:
      break;
  }
  return fail(ErrorCode::corrupt, "A message to decode is of an unknown kind.");
}

Result<FromDecode> decode(const v1::FromDecode& from) {
  Fault fault;
  switch (from.kind_case()) {
    case v1::FromDecode::kProgress:
      return checked<FromDecode>(decode(from.progress(), fault), fault);
    case v1::FromDecode::kGaveUp:
      return checked<FromDecode>(decode(from.gave_up(), fault), fault);
    case v1::FromDecode::KIND_NOT_SET:
      break;
  }
  return fail(ErrorCode::corrupt, "A message from decode is of an unknown kind.");
}

Result<ToPrefill> decode(const v1::ToPrefill& from) {
  Fault fault;
  switch (from.kind_case()) {
    case v1::ToPrefill::kPrefillJob:
      return checked<ToPrefill>(decode(from.prefill_job(), fault), fault);
    case v1::ToPrefill::kReserved:
      return checked<ToPrefill>(decode(from.reserved(), fault), fault);
    case v1::ToPrefill::kNotBefore:
      return checked<ToPrefill>(decode(from.not_before(), fault), fault);
    case v1::ToPrefill::kResend:
      return checked<ToPrefill>(decode(from.resend(), fault), fault);
    case v1::ToPrefill::kCommit:
      return checked<ToPrefill>(decode(from.commit(), fault), fault);
    case v1::ToPrefill::kAbort:
      return ToPrefill(decode(from.abort()));
    case v1::ToPrefill::KIND_NOT_SET:
      break;
  }
  return fail(ErrorCode::corrupt, "A message to prefill is of an unknown kind.");
}

Result<FromPrefill> decode(const v1::FromPrefill& from) {
  Fault fault;
  switch (from.kind_case()) {
    case v1::FromPrefill::kReserve:
      return FromPrefill(Reserve{JobId(from.reserve().job()), from.reserve().pages()});
    case v1::FromPrefill::kSeal:
      return checked<FromPrefill>(decode(from.seal(), fault), fault);
    case v1::FromPrefill::kPromptScores:
      return checked<FromPrefill>(decode(from.prompt_scores(), fault), fault);
    case v1::FromPrefill::kJobAlive:
      return FromPrefill(JobAlive{JobId(from.job_alive().job()), from.job_alive().tokens_done()});
    case v1::FromPrefill::kAbort:
      return FromPrefill(decode(from.abort()));
    case v1::FromPrefill::KIND_NOT_SET:
      break;
  }
  return fail(ErrorCode::corrupt, "A message from prefill is of an unknown kind.");
}

}  // namespace baton::rpc

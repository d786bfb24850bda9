// AcceptedLinks: the links of one kind that a daemon has accepted, by a name of their own.
//
// A link that is down is forgotten before its owner hears of it, and destroyed later: never from
// inside its own event. Must outlive the listener that accepts for it. Thread safety: one executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "proto/link.h"

namespace baton::rpc {

template <class Out, class In>
class AcceptedLinks {
 public:
  AcceptedLinks(boost::asio::any_io_executor executor, std::function<void(LinkId, In)> on_message,
                std::function<void(LinkId, const Error&)> on_down)
      : executor_(std::move(executor)),
        on_message_(std::move(on_message)),
        on_down_(std::move(on_down)) {}
  AcceptedLinks(const AcceptedLinks&) = delete;
  AcceptedLinks& operator=(const AcceptedLinks&) = delete;

  // For Acceptors.
  Accept<Out, In> acceptor() {
    return [this](std::unique_ptr<Link<Out>> link) { return accept(std::move(link)); };
  }

  // What is sent to a link that is down is dropped.
  void send(LinkId to, Out message) {
    const auto link = links_.find(to);
    if (link != links_.end()) link->second->send(std::move(message));
  }

 private:
  LinkEvents<In> accept(std::unique_ptr<Link<Out>> link) {
    const LinkId id(++last_.value);
    links_[id] = std::move(link);
    LinkEvents<In> events;
    events.on_message = [this, id](In message) { on_message_(id, std::move(message)); };
    events.on_down = [this, id](const Error& error) {
      boost::asio::post(executor_, [gone = links_.extract(id)] {});
      on_down_(id, error);
    };
    return events;
  }

  const boost::asio::any_io_executor executor_;
  const std::function<void(LinkId, In)> on_message_;
  const std::function<void(LinkId, const Error&)> on_down_;
  std::map<LinkId, std::unique_ptr<Link<Out>>> links_;
  LinkId last_{0};
};

}  // namespace baton::rpc

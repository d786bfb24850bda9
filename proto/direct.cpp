#include "proto/direct.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <vector>

namespace baton::rpc {

namespace {

using boost::asio::any_io_executor;

// One end: what it sends goes into the peer's inbox.
template <class Out>
class DirectLink final : public Link<Out> {
 public:
  DirectLink(std::shared_ptr<InboxControl> own, std::shared_ptr<Inbox<Out>> peer)
      : own_(std::move(own)), peer_(std::move(peer)) {}

  ~DirectLink() override {
    own_->silence();
    peer_->end(fail(ErrorCode::unavailable, "The peer closed the link."));
  }

  void send(Out message) override {
    if (peer_->push(std::move(message)) != Pushed::over) return;
    own_->abort(fail(ErrorCode::resource_exhausted,
                     "The peer does not read: too many unsent messages, the link is closed."));
    peer_->abort(fail(ErrorCode::unavailable, "The peer gave up: too many messages unread."));
  }

  void close() override {
    own_->abort(fail(ErrorCode::cancelled, "The link was closed by this side."));
    peer_->end(fail(ErrorCode::unavailable, "The peer closed the link."));
  }

 private:
  std::shared_ptr<InboxControl> own_;
  std::shared_ptr<Inbox<Out>> peer_;
};

// What one Listener accepts, and the links that it has accepted. The list is shared with connecting
// threads; the acceptors are used on the executor only.
class DirectDoor {
 public:
  DirectDoor(any_io_executor executor, Acceptors acceptors)
      : executor_(std::move(executor)), acceptors_(std::move(acceptors)) {}

  const any_io_executor& executor() const { return executor_; }
  const Acceptors& acceptors() const { return acceptors_; }
  bool closed() const {
    std::lock_guard lock(mutex_);
    return closed_;
  }

  // Returns false if the door has closed.
  bool enter(std::shared_ptr<InboxControl> server, std::shared_ptr<InboxControl> client) {
    std::lock_guard lock(mutex_);
    if (closed_) return false;
    std::erase_if(pairs_, [](const Pair& pair) { return pair.server.expired(); });
    pairs_.push_back({std::move(server), std::move(client)});
    return true;
  }

  void close() {
    std::vector<Pair> pairs;
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
      pairs.swap(pairs_);
    }
    const Error why = fail(ErrorCode::unavailable, "The listener has closed.");
    for (const auto& pair : pairs) {
      if (auto server = pair.server.lock()) server->end(why);
      if (auto client = pair.client.lock()) client->end(why);
    }
  }

 private:
  struct Pair {
    std::weak_ptr<InboxControl> server;
    std::weak_ptr<InboxControl> client;
  };
  const any_io_executor executor_;
  const Acceptors acceptors_;
  mutable std::mutex mutex_;
  bool closed_ = false;
  std::vector<Pair> pairs_;
};

}  // namespace

class DirectRegistry {
 public:
  explicit DirectRegistry(LinkLimits limits) : limits_(limits) {}

  const LinkLimits& limits() const { return limits_; }

  std::shared_ptr<DirectDoor> find(const std::string& address) {
    std::lock_guard lock(mutex_);
    const auto found = doors_.find(address);
    return found == doors_.end() ? nullptr : found->second;
  }

  Result<std::string> add(std::string address, std::shared_ptr<DirectDoor> door) {
    std::lock_guard lock(mutex_);
    if (address.ends_with(":0")) {
      address.pop_back();
      address += std::to_string(next_port_++);
    }
    if (!doors_.emplace(address, std::move(door)).second)
      return fail(ErrorCode::unavailable, "The address {} is taken already.", address);
    return address;
  }

  void remove(const std::string& address) {
    std::lock_guard lock(mutex_);
    doors_.erase(address);
  }

 private:
  const LinkLimits limits_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<DirectDoor>> doors_;
  uint32_t next_port_ = 1;
};

namespace {

class DirectListener final : public Listener {
 public:
  DirectListener(std::shared_ptr<DirectRegistry> registry, std::shared_ptr<DirectDoor> door,
                 std::string address)
      : registry_(std::move(registry)), door_(std::move(door)), address_(std::move(address)) {}
  ~DirectListener() override {
    registry_->remove(address_);
    door_->close();
  }
  std::string address() const override { return address_; }

 private:
  std::shared_ptr<DirectRegistry> registry_;
  std::shared_ptr<DirectDoor> door_;
  std::string address_;
};

class DirectConnector final : public Connector {
 public:
  DirectConnector(std::shared_ptr<DirectRegistry> registry, any_io_executor executor)
      : registry_(std::move(registry)), executor_(std::move(executor)) {}

  std::unique_ptr<Link<ToScheduler>> to_scheduler(const std::string& address,
                                                  LinkEvents<FromScheduler> events) override {
    return connect<ToScheduler>(address, std::move(events), &Acceptors::scheduler);
  }
  std::unique_ptr<Link<ToPrefill>> to_prefill(const std::string& address,
                                              LinkEvents<FromPrefill> events) override {
    return connect<ToPrefill>(address, std::move(events), &Acceptors::prefill);
  }
  std::unique_ptr<Link<ToDecode>> to_decode(const std::string& address,
                                            LinkEvents<FromDecode> events) override {
    return connect<ToDecode>(address, std::move(events), &Acceptors::decode);
  }

 private:
  template <class Out, class In>
  std::unique_ptr<Link<Out>> connect(const std::string& address, LinkEvents<In> events,
                                     Accept<In, Out> Acceptors::*acceptor) {
    auto client = std::make_shared<Inbox<In>>(executor_, registry_->limits());
    client->open(std::move(events));
    auto door = registry_->find(address);
    auto server =
        std::make_shared<Inbox<Out>>(door ? door->executor() : executor_, registry_->limits());
    auto link = std::make_unique<DirectLink<Out>>(client, server);
    if (!door || !door->enter(server, client)) {
      const Error why = fail(ErrorCode::unavailable, "Nothing listens at {}.", address);
      server->end(why);  // what is sent is dropped
      client->end(why);
      return link;
    }
    boost::asio::post(door->executor(), [door, server, client, acceptor, address] {
      if (door->closed()) return;  // close() has told both ends
      const auto& accept = door->acceptors().*acceptor;
      if (!accept) {
        const Error why = fail(ErrorCode::unsupported, "{} does not take such links.", address);
        server->end(why);
        client->end(why);
        return;
      }
      server->open(accept(std::make_unique<DirectLink<In>>(server, client)));
    });
    return link;
  }

  std::shared_ptr<DirectRegistry> registry_;
  any_io_executor executor_;
};

}  // namespace

DirectNetwork::DirectNetwork(LinkLimits limits)
    : registry_(std::make_shared<DirectRegistry>(limits)) {}
DirectNetwork::~DirectNetwork() = default;

std::unique_ptr<Connector> DirectNetwork::connector(any_io_executor executor) {
  return std::make_unique<DirectConnector>(registry_, std::move(executor));
}

Result<std::unique_ptr<Listener>> DirectNetwork::listen(any_io_executor executor,
                                                        const std::string& address,
                                                        Acceptors acceptors) {
  auto door = std::make_shared<DirectDoor>(std::move(executor), std::move(acceptors));
  BATON_TRY(bound, registry_->add(address, door));
  return std::unique_ptr<Listener>(
      std::make_unique<DirectListener>(registry_, std::move(door), bound));
}

}  // namespace baton::rpc

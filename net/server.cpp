// SPDX-License-Identifier: BSL-1.0
#include <coir/net/server.hpp>

#include "core/task/task_events.hpp"
#include "net/connections_impl.hpp"

#include <coir/core/base/errors.hpp>
#include <coir/core/task/sleep.hpp>

#include <chrono>
#include <exception>
#include <mutex>
#include <utility>

namespace coir::net {
namespace detail_server {
namespace {

using namespace std::chrono_literals;

// After an error of accept(2) that is no reason to give up: nothing tells when it is over.
constexpr auto k_pause_after_error = 100ms;

// Outside of a catch block: the handler is the user's, and may suspend.
void report(std::exception_ptr const& failure) {
    auto& task = *coir::detail::current_task_or_null();
    coir::detail::report_unretrieved(task, task.home_number(), failure);
}

}  // namespace

connections::connections(tcp_listener listener, serve_function serve, std::size_t limit)
    : listener_(std::move(listener)), serve_(std::move(serve)), local_(listener_.local_endpoint()), limit_(limit) {}

void connections::start(std::string name) {
    name_ = std::move(name);
    {
        std::lock_guard const guard(lock_);
        accepting_ = true;
    }
    // A task that is cancelled before it has started never runs, but its callable always ends: so that is what counts.
    std::shared_ptr<void> ending(nullptr, [self = shared_from_this()](void*) { self->acceptor_ended(); });
    auto acceptor =
        spawn(task_options{.name = name_ + "-accept"}, [this, ending = std::move(ending)] { accept_all(); });
    std::lock_guard const guard(lock_);
    acceptor_ = acceptor.ref();
}

void connections::accept_all() {
    try {
        accept_while_open();
    } catch (cancelled const&) {
        // By close(); or because the runtime ends, and then nobody can be served any more.
        if (!is_closing()) {
            throw;
        }
    }
    take_the_queue();
}

void connections::accept_while_open() {
    while (!is_closing()) {
        wait_for_room();
        if (!accept_one()) {
            sleep(k_pause_after_error);
        }
    }
}

// False: not now. Who cannot be served for want of memory or of a stack is turned away, and that is reported; the server
// goes on.
bool connections::accept_one() {
    std::exception_ptr failure;
    try {
        std::error_code error;
        tcp_stream peer = listener_.accept(error);
        if (error) {
            return false;
        }
        take(std::move(peer));
        return true;
    } catch (std::exception const&) {
        failure = std::current_exception();
    }
    report(failure);
    return false;
}

// Those whose connection was made before close(): their requests may have been sent in full.
void connections::take_the_queue() {
    std::error_code error;
    while (auto peer = listener_.try_accept(error)) {
        std::exception_ptr failure;
        try {
            take(std::move(*peer));
        } catch (std::exception const&) {
            failure = std::current_exception();
        }
        if (failure) {
            report(failure);
        }
    }
}

void connections::wait_for_room() {
    while (count() >= limit_) {
        room_.clear();
        if (count() >= limit_) {
            room_.wait();
        }
    }
}

void connections::take(tcp_stream peer) {
    {
        std::lock_guard const guard(lock_);
        count_.fetch_add(1, std::memory_order_relaxed);
    }
    std::shared_ptr<void> ending(nullptr, [self = shared_from_this()](void*) { self->connection_ended(); });
    std::string name = name_;
    name.push_back('-');
    name.append(std::to_string(++last_number_));
    spawn(task_options{.name = std::move(name)},
          [this, ending = std::move(ending), connection = std::move(peer)]() mutable {
              serve_one(std::move(connection));
          });
}

void connections::serve_one(tcp_stream peer) {
    running_list self;  // in the server's list, until the end
    self.push_back({current_task(), 0});
    auto const here = self.begin();
    bool too_late = false;
    {
        std::lock_guard const guard(lock_);
        too_late = cancellations_ != 0;
        here->cancelled_in = cancellations_;
        running_.splice(running_.end(), self);
    }
    struct unlink {
        connections& home;
        running_list& self;
        running_list::iterator here;
        ~unlink() {
            std::lock_guard const guard(home.lock_);
            self.splice(self.end(), home.running_, here);
        }
    } const at_end{*this, self, here};
    if (!too_late) {
        serve_(std::move(peer));
    }
}

void connections::acceptor_ended() noexcept {
    listener_.close();
    bool last = false;
    {
        std::lock_guard const guard(lock_);
        accepting_ = false;
        closing_.store(true, std::memory_order_seq_cst);
        last = count_.load(std::memory_order_relaxed) == 0;
    }
    if (last) {
        finished_.set();
    }
}

void connections::connection_ended() noexcept {
    bool last = false;
    {
        std::lock_guard const guard(lock_);
        last = count_.fetch_sub(1, std::memory_order_relaxed) == 1 && !accepting_;
    }
    room_.set();
    if (last) {
        finished_.set();
    }
}

void connections::close() {
    std::optional<task_ref> acceptor;
    {
        std::lock_guard const guard(lock_);
        if (!closing_.exchange(true, std::memory_order_seq_cst)) {
            acceptor = acceptor_;
        }
    }
    if (acceptor) {
        acceptor->cancel_noexcept("the server is closed");
    }
}

void connections::cancel_all() {
    unsigned round = 0;
    {
        std::lock_guard const guard(lock_);
        round = ++cancellations_;
    }
    // Without the lock: a cancellation may end what is the user's. And without memory, which there may not be.
    while (auto const one = next_to_cancel(round)) {
        one->cancel_noexcept("the server is drained");
    }
}

std::optional<task_ref> connections::next_to_cancel(unsigned round) noexcept {
    std::lock_guard const guard(lock_);
    auto const first = running_.begin();
    if (first == running_.end() || first->cancelled_in >= round) {
        return std::nullopt;
    }
    first->cancelled_in = cancellations_;
    running_.splice(running_.end(), running_, first);
    return first->task;
}

void connections::drain_until(clock::time_point deadline) {
    close();
    if (!finished_.wait_until(deadline)) {
        cancel_all();
        finished_.wait();
    }
}

server start(std::function<void(stream)> handler, std::string const& host, service const& port,
             server_options const& options) {
    auto shared = std::make_shared<connections>(
        tcp_listener(host, port, listen_options{.backlog = options.backlog}),
        [handler = std::move(handler)](tcp_stream peer) { handler(stream(std::move(peer))); }, options.max_connections);
    shared->start("connection");
    return server(std::move(shared));
}

}  // namespace detail_server

server::server() noexcept = default;
server::server(std::shared_ptr<detail_server::connections> c) noexcept : connections_(std::move(c)) {}
server::server(server&&) noexcept = default;

server& server::operator=(server&& other) noexcept {
    server(std::move(other)).connections_.swap(connections_);
    return *this;
}

server::~server() {
    if (connections_) {
        cancel_shield const shield;
        connections_->drain_until(clock::now());
    }
}

detail_server::connections& server::checked() const {
    if (!connections_) {
        throw invalid_state("coir::net::server: empty (moved from, or never started)");
    }
    return *connections_;
}

std::uint16_t server::port() const {
    return checked().local().port();
}

endpoint server::local_endpoint() const {
    return checked().local();
}

std::size_t server::connections() const noexcept {
    return connections_ ? connections_->count() : 0;
}

void server::serve_forever() {
    auto const keep = connections_;
    try {
        checked().finished().wait();
    } catch (cancelled const&) {
        keep->close();
        throw;
    }
}

void server::close() {
    checked().close();
}

void server::drain_until(clock::time_point deadline) {
    checked().drain_until(deadline);
}

}  // namespace coir::net

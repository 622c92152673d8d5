// SPDX-License-Identifier: BSL-1.0
#include <coir/net/http/server.hpp>

#include "net/http/connection_impl.hpp"
#include "net/http/server_impl.hpp"

#include <coir/core/base/errors.hpp>
#include <coir/core/task/sleep.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <mutex>
#include <utility>

namespace coir::net::http {
namespace {

using namespace std::chrono_literals;

}  // namespace

void server::state::enter(connection& c) {
    {
        std::lock_guard const guard(lock_);
        c.next_ = first_;
        if (first_ != nullptr) {
            first_->previous_ = &c;
        }
        first_ = &c;
    }
    if (!arrival_.is_set()) {
        arrival_.set();
    }
}

void server::state::leave(connection& c) noexcept {
    std::lock_guard const guard(lock_);
    (c.previous_ == nullptr ? first_ : c.previous_->next_) = c.next_;
    if (c.next_ != nullptr) {
        c.next_->previous_ = c.previous_;
    }
}

template <class Condition>
void server::state::end_reading_of(Condition condition) {
    // A watch that ran out of memory would watch no more.
    std::array<std::shared_ptr<tcp_stream>, 512> found;
    std::size_t count = found.size();
    while (count == found.size()) {
        count = 0;
        {
            std::lock_guard const guard(lock_);
            for (connection* one = first_; one != nullptr && count != found.size(); one = one->next_) {
                if (condition(*one)) {
                    found[count++] = one->peer_;
                }
            }
        }
        for (std::size_t i = 0; i != count; ++i) {
            std::error_code gone;
            std::exchange(found[i], nullptr)->shutdown(shutdown_type::receive, gone);
        }
    }
}

void server::state::end_idle() {
    // Who waits once more finds out about the drain itself.
    end_reading_of([](connection& c) { return c.may_be_ended_.exchange(false, std::memory_order_seq_cst); });
}

void server::state::watch() {
    std::chrono::nanoseconds const shortest =
        std::min({options.header_timeout, options.idle_timeout, options.body_timeout});
    auto const period = std::clamp<std::chrono::nanoseconds>(shortest / 4, 5ms, 1s);
    for (;;) {
        arrival_.clear();
        bool somebody = false;
        {
            std::lock_guard const guard(lock_);
            somebody = first_ != nullptr;
        }
        if (!somebody) {
            arrival_.wait();
        }
        sleep(period);
        auto const now = clock::now().time_since_epoch().count();
        end_reading_of([now](connection& c) {
            clock::rep const deadline = c.deadline_.load(std::memory_order_relaxed);
            if (deadline == 0 || deadline > now || c.is_late_.load(std::memory_order_relaxed)) {
                return false;
            }
            c.is_late_.store(true, std::memory_order_relaxed);
            return true;
        });
    }
}

server::server(server_options options) : state_(std::make_shared<state>(options)) {}

server::~server() {
    if (state_->tasks) {
        cancel_shield const shield;
        drain_until(clock::now());
    }
}

void server::add(std::string_view method, std::string_view pattern, whole_handler whole, streaming_handler streaming) {
    if (state_->tasks) {
        throw invalid_state("coir::net::http::server::route: the server listens already");
    }
    state_->routes.add(pattern, route_handler{.method = std::string(method),
                                              .param_names = {},
                                              .whole = std::move(whole),
                                              .streaming = std::move(streaming)});
}

void server::listen(std::string const& host, service const& port) {
    if (state_->tasks) {
        throw invalid_state("coir::net::http::server::listen: it listens already");
    }
    current_task();  // throws outside of a runtime, before anything is opened
    tcp_listener listener(host, port, listen_options{.backlog = state_->options.backlog});
    auto tasks = std::make_shared<detail_server::connections>(
        std::move(listener),
        // The state outlives its connections: drain_until() waits for them, and so does the end of the runtime.
        [self = state_.get()](tcp_stream peer) { connection(*self, std::move(peer)).run(); },
        state_->options.max_connections);
    state_->tasks = tasks;
    tasks->start("http");
    auto watch = spawn(task_options{.name = "http-watch"}, [self = state_] { self->watch(); });
    state_->watch_task = watch.ref();
}

std::uint16_t server::port() const {
    return local_endpoint().port();
}

endpoint server::local_endpoint() const {
    if (!state_->tasks) {
        throw invalid_state("coir::net::http::server: it does not listen yet");
    }
    return state_->tasks->local();
}

std::size_t server::connections() const noexcept {
    return state_->tasks ? state_->tasks->count() : 0;
}

std::uint64_t server::requests() const noexcept {
    return state_->requests.load(std::memory_order_relaxed);
}

void server::serve_forever() {
    if (!state_->tasks) {
        throw invalid_state("coir::net::http::server::serve_forever: it does not listen yet");
    }
    state_->tasks->finished().wait();
}

void server::drain_until(clock::time_point deadline) {
    if (!state_->tasks) {
        throw invalid_state("coir::net::http::server::drain: it does not listen yet");
    }
    state_->tasks->close();
    state_->end_idle();
    state_->tasks->drain_until(deadline);
    if (state_->watch_task) {
        state_->watch_task->cancel_noexcept("the server has ended");
    }
}

}  // namespace coir::net::http

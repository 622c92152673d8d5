// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   async_wait(t, token)   an operation of Boost.Asio that completes when a coir task or future is done:
//                          `co_await coir::async_wait(f, boost::asio::use_awaitable); int value = f.get();`

#include <coir/core/base/atomic.hpp>
#include <coir/core/base/back_off.hpp>
#include <coir/core/task/future.hpp>
#include <coir/core/task/task.hpp>
#include <coir/executors/job.hpp>
#include <coir/executors/waiting_job.hpp>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/error_code.hpp>

#include <concepts>
#include <memory>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>

namespace coir {
namespace detail {

template <class T>
concept has_state = requires(T const& t) {
    { t.state().get() } -> std::convertible_to<shared_state_base*>;
};

// One wait. Its job keeps it alive until it runs or is withdrawn; whichever it is then posts the handler.
//
// Whoever learns from the handler that it is over may stop and destroy what the executor belongs to at once. So the handler is
// called only when the thread that has posted it has done with that, and what the wait has of it ends before.
template <class Handler>
class asio_wait : public std::enable_shared_from_this<asio_wait<Handler>> {
public:
    asio_wait(Handler handler, state_ptr<shared_state_base> state)
        : handler_(std::move(handler)), where_(boost::asio::get_associated_executor(*handler_)),
          state_(std::move(state)) {}

    void start() {
        auto const self = this->shared_from_this();
        if (auto slot = boost::asio::get_associated_cancellation_slot(*handler_); slot.is_connected()) {
            // Not owned: the slot may belong to the handler, and would keep it for ever.
            slot.assign([waits = std::weak_ptr(self)](boost::asio::cancellation_type) {
                if (auto const found = waits.lock()) {
                    found->end_now(boost::asio::error::operation_aborted);
                }
            });
        }
        if (!waiting_.wait_for(*state_, job([self] { self->complete({}); }))) {
            end_now({});
        }
    }

private:
    void end_now(boost::system::error_code error) {
        if (waiting_.withdraw(*state_)) {
            complete(error);
        }
    }

    void complete(boost::system::error_code error) {
        poster_ = std::this_thread::get_id();
        auto const keep = this->shared_from_this();
        boost::asio::post(where_->get_executor(), [self = std::shared_ptr(keep), error]() mutable {
            self->await_poster();
            self->where_.reset();
            Handler handler = std::move(*self->handler_);
            self->handler_.reset();
            self.reset();  // before a handler that may run for long
            std::move(handler)(error);
        });
        posted_.store(true, memory_order_release);
    }

    void await_poster() const noexcept {
        if (std::this_thread::get_id() == poster_) {
            return;  // it runs the handler itself, and if in post(), would wait for ever
        }
        for (back_off pause; !posted_.load(memory_order_acquire);) {
            pause.pause();
        }
    }

    std::optional<Handler> handler_;
    // Until it is posted.
    std::optional<boost::asio::executor_work_guard<boost::asio::associated_executor_t<Handler>>> where_;
    state_ptr<shared_state_base> state_;
    waiting_job waiting_;
    std::thread::id poster_;
    atomic<bool> posted_{false};
};

}  // namespace detail

/// Waits, as an asynchronous operation of Boost.Asio with the signature void(boost::system::error_code), until the task,
/// future or shared_future is done, whether with a value or an exception: its get() then returns at once. For where
/// `co_await t` is refused, as by boost::asio::awaitable, and for Asio's other tokens and operators (`||` with a timer).
///
/// The handler is called by its associated executor (boost::asio::system_executor if it has none), for which this counts as
/// work; what the executor belongs to must exist until then, and no longer. Cancelling the operation, with any cancellation_type, completes
/// it with operation_aborted and leaves what it waits for alone. Does not suspend. Throws invalid_state for an empty handle,
/// std::bad_alloc.
template <class Awaited, class Token>
    requires detail::has_state<Awaited>
auto async_wait(Awaited const& awaited, Token&& token) {
    if (!awaited.valid()) {
        detail::throw_no_state("async_wait: the handle is empty");
    }
    return boost::asio::async_initiate<Token, void(boost::system::error_code)>(
        [](auto&& handler, detail::state_ptr<detail::shared_state_base> state) {
            using wait = detail::asio_wait<std::decay_t<decltype(handler)>>;
            std::make_shared<wait>(std::forward<decltype(handler)>(handler), std::move(state))->start();
        },
        token, detail::state_ptr<detail::shared_state_base>::share(awaited.state().get()));
}

}  // namespace coir

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   use_task   a completion token: `std::size_t n = socket.async_read_some(buffer, coir::use_task);`

#include <coir/core/base/errors.hpp>
#include <coir/core/task/future.hpp>
#include <coir/core/task/outside_work.hpp>
#include <coir/core/task/task_base.hpp>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/system/system_error.hpp>

#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace coir {

/// With this token an asynchronous operation of Boost.Asio returns its result to the task that starts it, which is suspended
/// until it completes (a plain thread is blocked: not one that runs the io_context). Nothing, a value, or a std::tuple of
/// several; an error_code that is set is thrown as boost::system::system_error, and an exception_ptr rethrown.
/// boost::asio::as_tuple and redirect_error go on top of it as usual.
///
/// The io_context runs on whatever threads it likes; the task goes on on its worker. Cancelling the task cancels this one
/// operation, as far as that supports it, waits for its end and throws `cancelled`; if it has completed all the same, its
/// result is returned and the request waits for the next suspension point. A request that is pending is thrown before the
/// operation starts. An io_context that is destroyed with the operation in it: system_error with operation_aborted.
struct use_task_t {
    constexpr use_task_t() = default;
};
inline constexpr use_task_t use_task{};

namespace detail {

struct no_executor {};

/// The executor of an operation's I/O object, if the initiation says which that is. as_tuple and the like hide it.
template <class Initiation>
auto executor_of(Initiation const& initiation) {
    if constexpr (requires { typename Initiation::executor_type; }) {
        return initiation.get_executor();
    } else if constexpr (requires { initiation.initiation_; }) {
        return executor_of(initiation.initiation_);
    } else {
        return no_executor{};
    }
}

// The handlers of one operation and the cancellation must not run at the same time: Asio's slots are not thread-safe, and any
// thread may cancel a task. So they are on a strand of the I/O object's executor.
template <class Executor>
class asio_operation {
public:
    using executor_type = boost::asio::strand<Executor>;

    explicit asio_operation(Executor const& where) : strand_(where) {}
    executor_type get_executor() const noexcept { return *strand_; }
    boost::asio::cancellation_slot get_cancellation_slot() noexcept { return signal_.slot(); }

    static void cancel(std::shared_ptr<asio_operation> const& op) {
        std::lock_guard const guard(op->lock_);
        if (op->strand_) {
            boost::asio::post(*op->strand_, [op] {
                // Once the handler has run its I/O object may be gone, of which the slot does not know.
                if (!op->has_ended()) {
                    op->signal_.emit(boost::asio::cancellation_type::terminal);
                }
            });
        }
    }
    /// Before the task hears of the end: a strand must not outlive its io_context.
    void end() noexcept {
        std::lock_guard const guard(lock_);
        strand_.reset();
    }

private:
    bool has_ended() noexcept {
        std::lock_guard const guard(lock_);
        return !strand_;
    }

    std::mutex lock_;  // for strand_, once the operation has started
    std::optional<executor_type> strand_;
    boost::asio::cancellation_signal signal_;
    outside_work outside_;
};

// Nowhere to run a cancellation in turn with the handlers: the operation runs to its end.
template <>
class asio_operation<no_executor> {
public:
    explicit asio_operation(no_executor) noexcept {}
    boost::asio::cancellation_slot get_cancellation_slot() noexcept { return {}; }
    static void cancel(std::shared_ptr<asio_operation> const&) noexcept {}
    void end() noexcept {}

private:
    outside_work outside_;
};

template <class Executor, class... Args>
class asio_handler {
public:
    using operation = asio_operation<Executor>;
    using outcome = std::tuple<std::decay_t<Args>...>;
    using cancellation_slot_type = boost::asio::cancellation_slot;

    asio_handler(std::shared_ptr<operation> op, promise<outcome> result)
        : operation_(std::move(op)), result_(std::move(result)) {}
    asio_handler(asio_handler&&) noexcept = default;
    asio_handler& operator=(asio_handler&&) = delete;
    ~asio_handler() {
        if (operation_) {
            operation_->end();
            result_.try_set_exception(std::make_exception_ptr(
                boost::system::system_error(boost::asio::error::operation_aborted, "the io_context is gone")));
        }
    }

    void operator()(Args... args) {
        std::exchange(operation_, nullptr)->end();
        try {
            result_.try_set_value(std::forward<Args>(args)...);
        } catch (...) {
            result_.try_set_exception(std::current_exception());
        }
    }

    operation& of() const noexcept { return *operation_; }
    cancellation_slot_type get_cancellation_slot() const noexcept { return operation_->get_cancellation_slot(); }

private:
    std::shared_ptr<operation> operation_;  // null once it was called, or moved from
    promise<outcome> result_;
};

/// Takes the error out of the front of a result.
template <class First, class... Rest>
auto without_error(std::tuple<First, Rest...>&& all) {
    if constexpr (std::is_same_v<First, boost::system::error_code>) {
        if (std::get<0>(all)) {
            throw boost::system::system_error(std::get<0>(all));
        }
    } else {
        if (std::get<0>(all)) {
            std::rethrow_exception(std::get<0>(all));
        }
    }
    return std::apply([](auto&, auto&... rest) { return std::tuple<Rest...>(std::move(rest)...); }, all);
}

template <class... Args>
auto asio_values(std::tuple<Args...>&& all) {
    return std::move(all);
}
template <class... Rest>
auto asio_values(std::tuple<boost::system::error_code, Rest...>&& all) {
    return without_error(std::move(all));
}
template <class... Rest>
auto asio_values(std::tuple<std::exception_ptr, Rest...>&& all) {
    return without_error(std::move(all));
}

template <class Values>
struct asio_result {
    using type = Values;
};
template <>
struct asio_result<std::tuple<>> {
    using type = void;
};
template <class T>
struct asio_result<std::tuple<T>> {
    using type = T;
};
/// What an operation with this signature returns to its task.
template <class... Args>
using asio_result_t =
    typename asio_result<decltype(asio_values(std::declval<std::tuple<std::decay_t<Args>...>>()))>::type;

inline bool is_abort(boost::system::error_code const& error) noexcept {
    return error == boost::asio::error::operation_aborted;
}
// What co_spawn passes on.
inline bool is_abort(std::exception_ptr const& error) noexcept {
    try {
        if (error) {
            std::rethrow_exception(error);
        }
    } catch (boost::system::system_error const& thrown) {
        return is_abort(thrown.code());
    } catch (...) {
        return false;
    }
    return false;
}
template <class T>
concept asio_error = std::is_same_v<T, boost::system::error_code> || std::is_same_v<T, std::exception_ptr>;

/// Did an operation end because it was cancelled?
template <class... Args>
bool was_aborted(std::tuple<Args...> const&) {
    return false;
}
template <asio_error Error, class... Rest>
bool was_aborted(std::tuple<Error, Rest...> const& all) {
    return is_abort(std::get<0>(all));
}
template <asio_error Error, class... Rest>
bool was_aborted(std::tuple<std::tuple<Error, Rest...>> const& all) {
    return was_aborted(std::get<0>(all));
}

template <class... Args, class Initiation, class... InitArgs>
asio_result_t<Args...> await_asio(Initiation&& initiation, InitArgs&&... init_args) {
    auto const where = executor_of(initiation);
    using executor = std::remove_const_t<decltype(where)>;
    using handler = asio_handler<executor, Args...>;
    using outcome = typename handler::outcome;

    throw_if_cancel_pending();
    auto const op = std::make_shared<typename handler::operation>(where);
    promise<outcome> result;
    future<outcome> done = result.get_future();
    auto const& state = done.state();
    std::forward<Initiation>(initiation)(handler(op, std::move(result)), std::forward<InitArgs>(init_args)...);

    std::optional<cancelled> request;
    try {
        state->wait_until(k_never);
    } catch (cancelled const& thrown) {
        request = thrown;
    }
    if (request) {
        handler::operation::cancel(op);
        state->wait_uncancelled();
        if (state->has_error() || was_aborted(state->result.peek())) {
            state->error();
            throw *std::move(request);
        }
        current_task_or_null()->rearm_cancel();  // nothing that arrived is lost
    }
    state->rethrow_error();
    auto values = asio_values(state->result.take());
    if constexpr (std::tuple_size_v<decltype(values)> == 1) {
        return std::get<0>(std::move(values));
    } else if constexpr (std::tuple_size_v<decltype(values)> > 1) {
        return values;
    }
}

}  // namespace detail
}  // namespace coir

// Only an operation whose executor is known has its handlers on a strand; the others' run where the I/O object says.
template <class Executor, class... Args, class Fallback>
    requires(!std::is_same_v<Executor, coir::detail::no_executor>)
struct boost::asio::associated_executor<coir::detail::asio_handler<Executor, Args...>, Fallback> {
    using type = typename coir::detail::asio_operation<Executor>::executor_type;
    static type get(coir::detail::asio_handler<Executor, Args...> const& handler,
                    Fallback const& = Fallback()) noexcept {
        return handler.of().get_executor();
    }
};

template <class... Args>
class boost::asio::async_result<coir::use_task_t, void(Args...)> {
public:
    using return_type = coir::detail::asio_result_t<Args...>;

    template <class Initiation, class Token, class... InitArgs>
    static return_type initiate(Initiation&& initiation, Token&&, InitArgs&&... init_args) {
        return coir::detail::await_asio<Args...>(std::forward<Initiation>(initiation),
                                                 std::forward<InitArgs>(init_args)...);
    }
};

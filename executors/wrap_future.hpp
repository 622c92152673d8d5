// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   wrap_future(std::future<T>)          -> future<T>, for tasks to await
//   wrap_future(std::shared_future<T>)

#include <coir/core/task/future.hpp>
#include <coir/core/task/outside_work.hpp>

#include <chrono>
#include <exception>
#include <future>
#include <memory>
#include <type_traits>
#include <utility>

namespace coir {
namespace detail {

/// A std::future whose result is to be passed on. It tells nobody when it is ready, so a thread must wait for it, or look; see
/// wrap_future.cpp.
struct watched_future {
    virtual ~watched_future() = default;
    /// Blocks until it is ready.
    virtual void wait() = 0;
    virtual bool is_ready() const = 0;
    /// Once it is ready, or to run a deferred one: passes the result on.
    virtual void deliver() noexcept = 0;
};

void watch(std::unique_ptr<watched_future> what, bool is_deferred);

template <class T, class Source>
class watched_source final : public watched_future {
public:
    explicit watched_source(Source source) : source_(std::move(source)) {}

    future<T> get_future() { return outcome_.get_future(); }
    bool is_deferred() const { return source_.wait_for(std::chrono::seconds(0)) == std::future_status::deferred; }

private:
    void wait() override { source_.wait(); }
    bool is_ready() const override { return source_.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }
    void deliver() noexcept override {
        try {
            if constexpr (std::is_void_v<T>) {
                source_.get();
                outcome_.try_set_value();
            } else {
                outcome_.try_set_value(source_.get());
            }
        } catch (...) {
            outcome_.try_set_exception(std::current_exception());
        }
    }

    Source source_;
    promise<T> outcome_;
    outside_work outside_;
};

template <class T, class Source>
future<T> wrap_source(Source source) {
    if (!source.valid()) {
        throw std::future_error(std::future_errc::no_state);
    }
    auto watched = std::make_unique<watched_source<T, Source>>(std::move(source));
    future<T> outcome = watched->get_future();
    bool const deferred = watched->is_deferred();
    watch(std::move(watched), deferred);
    return outcome;
}

}  // namespace detail

/// A coir future with the result of a standard one, or its exception. Cancelling it leaves the standard future, which cannot
/// be cancelled, to a thread of coir's until it is ready. A deferred one (std::launch::deferred) starts at once, on a thread
/// of coir's that it has for itself. Does not suspend. Throws std::future_error if there is no state, std::bad_alloc. If no
/// thread can be started and there is none yet, the result is broken_promise.
///
/// Up to eight at a time are waited for by a thread each, which sleeps until the result is there. The others share one more
/// thread, which looks at all of them each millisecond, and less often when for some time none has come or become ready: down
/// to 20 times a second. So each of these is late by no more than a millisecond or, if it took longer, 5 % of that time, at
/// most 50 ms.
template <class T>
future<T> wrap_future(std::future<T> source) {
    return detail::wrap_source<T>(std::move(source));
}
/// The same with a copy of its result.
template <class T>
future<T> wrap_future(std::shared_future<T> source) {
    return detail::wrap_source<T>(std::move(source));
}

}  // namespace coir

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   timeout_error        a deadline passed                      (wait_for, with_timeout)
//   no_running_runtime   called outside of a runtime            (spawn, runtime::current)
//   broken_promise       a promise died without a value
//   invalid_state        wrong order of calls on an object      (second get(), second set_value())
//   exception_group      several children of a group failed
//   channel_closed       push on a closed channel
//   queue_shut_down      put on a queue that was shut down, get when it is drained
//   broken_barrier       a barrier was aborted, or reset while somebody waited
//   receiver_lagged      a receiver of a broadcast missed values
//   executor_shut_down   submit after shutdown
//   broken_executor      an executor that lost the ability to run jobs
//   executor_full        an executor whose queue is bounded and rejects what does not fit
//   incomplete_read      a stream ended before the bytes asked for
//   cancelled            thrown out of a suspension point of a cancelled task; no std::exception, so that
//                        `catch (std::exception const&)` does not swallow it
//   generator_exit       thrown in the body of a generator or coroutine that is destroyed before its end; no
//                        std::exception either

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace coir {

namespace detail {

/// What was given to cancel(), or null. Shared, so that a request can be kept, passed on and thrown where nothing may fail.
using cancel_reason = std::shared_ptr<std::string const>;

/// A request does not fail for want of memory: then it goes without its reason.
inline cancel_reason keep_reason(std::string&& text) noexcept {
    try {
        return text.empty() ? nullptr : std::make_shared<std::string const>(std::move(text));
    } catch (std::bad_alloc const&) {
        return nullptr;
    }
}
inline cancel_reason keep_reason(char const* text) noexcept {
    try {
        return std::make_shared<std::string const>(text);
    } catch (std::bad_alloc const&) {
        return nullptr;
    }
}

}  // namespace detail

/// Thrown out of the suspension point at which a cancellation request is delivered.
class cancelled {
public:
    cancelled() = default;
    explicit cancelled(std::string reason)
        : reason_(reason.empty() ? nullptr : std::make_shared<std::string const>(std::move(reason))) {}

    /// What was given to cancel(); empty when nothing was, or when there was no memory for it.
    std::string const& reason() const noexcept {
        static std::string const nothing;
        return reason_ ? *reason_ : nothing;
    }

    // For the library.
    explicit cancelled(detail::cancel_reason reason) noexcept : reason_(std::move(reason)) {}

private:
    detail::cancel_reason reason_;  // a copy of an exception must not throw
};

/// Thrown out of the yield of a generator, or the switch_to() of a coroutine, whose last owner is gone: the body unwinds
/// and ends. Not to be kept from leaving the body: every further yield throws it again.
class generator_exit {};

/// A deadline passed before the operation had ended.
class timeout_error : public std::runtime_error {
public:
    timeout_error() : std::runtime_error("timed out") {}
    using std::runtime_error::runtime_error;
};

/// A call that needs a runtime was made outside of one.
class no_running_runtime : public std::logic_error {
public:
    no_running_runtime()
        : std::logic_error("no running runtime: call this from inside coir::run or runtime::block_on") {}
    using std::logic_error::logic_error;
};

/// The promise was destroyed before it held a value or an exception.
class broken_promise : public std::logic_error {
public:
    broken_promise() : std::logic_error("broken promise: destroyed without a value or an exception") {}
    using std::logic_error::logic_error;
};

/// An object was used in a state that does not allow it.
class invalid_state : public std::logic_error {
public:
    using std::logic_error::logic_error;
};

/// All tasks of a runtime wait, and nobody can ever wake one of them. what() names each waiting task, what it waits for, and
/// the circle if there is one.
class deadlock_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Several tasks of one group failed; one failure alone is rethrown as itself.
class exception_group : public std::runtime_error {
public:
    /// what() tells how many there are, and what the first five are about.
    explicit exception_group(std::vector<std::exception_ptr> exceptions);

    /// The failures, in the order in which they happened.
    std::vector<std::exception_ptr> const& exceptions() const noexcept { return exceptions_; }

private:
    std::vector<std::exception_ptr> exceptions_;
};

/// A push on a closed channel.
class channel_closed : public std::runtime_error {
public:
    channel_closed() : std::runtime_error("channel closed") {}
    using std::runtime_error::runtime_error;
};

/// A put on a queue that has been shut down, or a get once it is drained.
class queue_shut_down : public std::runtime_error {
public:
    queue_shut_down() : std::runtime_error("queue has been shut down") {}
    using std::runtime_error::runtime_error;
};

/// A barrier was aborted, or reset while the caller waited at it.
class broken_barrier : public std::runtime_error {
public:
    broken_barrier() : std::runtime_error("barrier is broken: it was aborted, or reset while somebody waited") {}
    using std::runtime_error::runtime_error;
};

/// A receiver of a broadcast was so late that values which it had not seen made room for newer ones.
class receiver_lagged : public std::runtime_error {
public:
    explicit receiver_lagged(std::uint64_t missed)
        : std::runtime_error("receiver lagged behind: " + std::to_string(missed) + " values missed"), missed_(missed) {}

    /// How many values it will never see.
    std::uint64_t missed() const noexcept { return missed_; }

private:
    std::uint64_t missed_;
};

/// A job was submitted to an executor that is shutting down or has shut down.
class executor_shut_down : public std::runtime_error {
public:
    executor_shut_down() : std::runtime_error("executor has been shut down") {}
    using std::runtime_error::runtime_error;
};

/// An executor can no longer run jobs (for example because its initializer threw).
class broken_executor : public std::runtime_error {
public:
    broken_executor() : std::runtime_error("executor is broken") {}
    using std::runtime_error::runtime_error;
};

/// The queue of an executor is full, and its policy is to reject jobs then.
class executor_full : public std::runtime_error {
public:
    executor_full() : std::runtime_error("executor's queue is full") {}
    using std::runtime_error::runtime_error;
};

/// A stream ended before all the bytes asked for had arrived.
class incomplete_read : public std::runtime_error {
public:
    incomplete_read(std::string partial, std::size_t expected)
        : std::runtime_error("stream ended after " + std::to_string(partial.size()) + " of " +
                             std::to_string(expected) + " bytes"),
          partial_(std::move(partial)), expected_(expected) {}

    /// What did arrive.
    std::string const& partial() const noexcept { return partial_; }
    /// How many bytes were asked for (0 when a separator was).
    std::size_t expected() const noexcept { return expected_; }

private:
    std::string partial_;
    std::size_t expected_;
};

}  // namespace coir

// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   spawn(f, args...)            starts f(args...) concurrently          -> task<R>
//   spawn(task_options, f, ...)  the same, with a name, a stack size, a strand, or eagerly
//   task<T>                      the handle: wait, take the value, cancel, detach

#include <coir/core/base/clock.hpp>
#include <coir/core/base/errors.hpp>
#include <coir/core/base/tls.hpp>
#include <coir/core/task/call_slot.hpp>
#include <coir/core/task/strand.hpp>
#include <coir/core/task/task_base.hpp>
#include <coir/core/task/task_ref.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace coir {

/// How a task is spawned. Every member has a default.
struct task_options {
    /// Shown in reports. Empty: "task-<id>".
    std::string name = {};
    /// Address space of the task's own stack in bytes; 0: it shares the runtime's stacks.
    std::size_t stack_size = 0;
    /// The strand that the task belongs to. Empty: that of the task that spawns it, if it has one.
    std::optional<coir::strand> strand = std::nullopt;
    /// Runs the task at once, up to its first suspension; then spawn() returns. (Not from outside of the runtime, nor while
    /// another task of its strand runs.)
    bool eager = false;
};

namespace detail {

template <class R>
class task_result : public task_base {
public:
    using task_base::task_base;
    result_slot<R> result;
};

// The callable with its arguments, in one object that is called once.
template <class F, class... Args>
class bound_call {
public:
    template <class G, class... As>
    explicit bound_call(G&& function, As&&... args)
        : function_(std::forward<G>(function)), args_(std::forward<As>(args)...) {}

    decltype(auto) operator()() {
        return std::apply(
            [this](Args&... args) -> decltype(auto) { return std::invoke(std::move(function_), std::move(args)...); },
            args_);
    }

private:
    F function_;
    [[no_unique_address]] std::tuple<Args...> args_;
};

template <class R, class Call>
class task_record final : public task_result<R> {
public:
    template <class... Parts>
    explicit task_record(birth const& born, Parts&&... parts)
        : task_result<R>(born), call_(std::in_place, std::forward<Parts>(parts)...) {
        this->publish(2);  // the handle's and the runtime's
    }
    // The callable has been destroyed by invoke() or discard(): every task gets to one of them.
    ~task_record() override = default;

private:
    struct end_of_call {
        task_record& self;
        ~end_of_call() { self.discard(); }
    };

    void invoke() override {
        // The callable, with all that it captured, ends before anybody sees the task done.
        end_of_call const end{*this};
        if constexpr (std::is_void_v<R>) {
            call_.get()();
            this->result.emplace();
        } else {
            this->result.emplace(call_.get()());
        }
    }

    void discard() noexcept override { call_.end(); }

    void destroy() noexcept override {
        if (this->has_error()) [[unlikely]] {
            task_base::destroy();
        } else {
            delete this;
        }
    }

    call_slot<Call> call_;
};

/// The runtime of the calling task. Throws no_running_runtime.
scheduler& current_scheduler();
/// In the runtime of the calling task, on its worker, or in `home`. Throw no_running_runtime, std::bad_alloc.
birth begin_birth(worker* here, std::size_t size_class);
birth begin_birth(scheduler& home, std::size_t size_class);
/// Puts a new task into a queue of `home`. Throws no_running_runtime if that has shut down, std::bad_alloc.
void spawn_record(scheduler& home, task_base& task);
/// In the runtime of the calling task, on its worker.
void spawn_record_here(worker& here, task_base& task);
/// As spawn_record(), and runs the task up to its first suspension.
void spawn_record_eagerly(scheduler& home, task_base& task);
void apply_options(task_base& task, task_options&& options);

// What comes of a call that is not possible, so that the caller's line is in order and a static_assert has the first word.
struct no_result {
    template <class T>
    operator T() const;
};

template <class F, class... Args>
inline constexpr bool returns_rvalue_reference = false;
template <class F, class... Args>
    requires std::is_invocable_v<F, Args...>
inline constexpr bool returns_rvalue_reference<F, Args...> =
    std::is_rvalue_reference_v<std::invoke_result_t<F, Args...>>;

// As std::invoke_result_t, but for that.
template <class F, class... Args>
struct call_result {
    using type = no_result;
};
template <class F, class... Args>
    requires(std::is_invocable_v<F, Args...> && !returns_rvalue_reference<F, Args...>)
struct call_result<F, Args...> : std::invoke_result<F, Args...> {};
template <class F, class... Args>
using call_result_t = typename call_result<F, Args...>::type;

template <class F, class... Args>
using spawn_result_t = call_result_t<std::decay_t<F>, std::decay_t<Args>...>;

template <class F, class... Args>
concept spawnable = std::is_invocable_v<std::decay_t<F>, std::decay_t<Args>...>;

template <class T>
concept storable = std::is_constructible_v<std::decay_t<T>, T>;

struct call_probe {
    void operator()();
};
template <class F>
struct with_call_probe : F, call_probe {};

// Has it an operator(), or several? Then the name is ambiguous beside another one.
template <class F>
concept has_call_operator = std::is_class_v<F> && !std::is_final_v<F> && !requires {
    &with_call_probe<F>::operator();
};

/// Was this call meant for coir, though it may be wrong? Else a function of that name in the user's own namespace would have
/// to compete with coir's as soon as one of its arguments is of coir.
template <class F, class... Args>
concept meant_to_be_called = spawnable<F, Args...> || has_call_operator<std::decay_t<F>> ||
    std::is_function_v<std::remove_pointer_t<std::decay_t<F>>> || std::is_member_pointer_v<std::decay_t<F>> ||
    (sizeof...(Args) == 0 && !std::is_class_v<std::decay_t<F>>);

/// Says in one line what is wrong with what is to be called elsewhere, or later, and with its arguments.
template <class F, class... Args>
struct check_call {
    static_assert(
        spawnable<F, Args...>,
        "coir: what is to run must be callable with the arguments, which are decayed and moved, as std::thread "
        "does (std::ref passes a reference)");
    static_assert((storable<F> && ... && storable<Args>),
                  "coir: the callable or an argument cannot be copied: pass it with std::move");
    static constexpr bool returns_rvalue = returns_rvalue_reference<std::decay_t<F>, std::decay_t<Args>...>;
    static_assert(!returns_rvalue,
                  "coir: what is to run returns an rvalue reference, which nobody could keep: return a "
                  "value");
    static constexpr bool passed = (storable<F> && ... && storable<Args>)&&spawnable<F, Args...> && !returns_rvalue;
};

// A record that was made and not accepted: its callable has not run.
struct record_guard {
    task_base* record;
    ~record_guard() {
        if (record != nullptr) {
            record->abandon_unspawned();
        }
    }
};

/// To be started when `state` is done. Throws std::bad_alloc, and then has taken nothing.
void add_callback(shared_state_base& state, task_base& callback);
/// As begin_birth(size_class), for a callback of `other`: on a plain thread, and if that task's runtime is another one, in
/// the runtime of that task. It may have ended.
birth begin_birth_of_callback(std::size_t size_class, task_base const* of);

/// `call()` is to be run, by a task of the calling task's runtime, when `state` is done. `of`: see above, or null.
template <class Call>
void add_done_callback(shared_state_base& state, task_base const* of, Call call) {
    using record = task_record<void, Call>;
    static_assert(sizeof(record) <= k_largest_record);
    birth const born = begin_birth_of_callback(size_class_for(sizeof(record)), of);
    auto* const made = new (born.memory) record(born, std::move(call));
    made->make_dormant();
    record_guard guard{made};
    if (born.parent == nullptr || born.parent->has(task_base::k_on_strand | task_base::k_has_context)) {
        task_base::inherit(*made, born.parent);
    }
    add_callback(state, *made);
    guard.record = nullptr;
}

}  // namespace detail

/// The handle of a task. Move-only. Dropping it detaches the task: the runtime owns it until it ends.
/// All members may be called from any thread and from tasks of other runtimes. Using an empty handle throws
/// invalid_state.
template <class T>
class task {
public:
    using value_type = T;

    task() noexcept = default;

    /// Waits for the task and moves its value out; rethrows its exception, each time. A second get() of a value throws
    /// invalid_state. Suspends the calling task (blocks a thread). Cancelling the waiting task cancels this one and
    /// get() then waits for its end; awaiting a cancelled task throws `cancelled`. A task that awaits itself:
    /// invalid_state.
    T get() {
        auto& state = checked();
        state.join();
        state.rethrow_error();
        if (!state.result.has_value()) {
            detail::throw_no_state("task::get: the value has been taken already");
        }
        return state.result.take();
    }

    /// Waits until the task has ended. Suspends. Cancelling the waiting task throws `cancelled` here and leaves the awaited
    /// one alone.
    void wait() const { checked().wait_until(detail::k_never); }

    /// As wait(), at most for `d`. `ready` or `timeout`.
    template <class Rep, class Period>
    std::future_status wait_for(std::chrono::duration<Rep, Period> const& d) const {
        return wait_until(detail::deadline_after(clock::now(), d));
    }
    /// As wait(), at most until `t`.
    template <class Clock, class Duration>
    std::future_status wait_until(std::chrono::time_point<Clock, Duration> const& t) const {
        return checked().wait_until(detail::to_deadline(t)) ? std::future_status::ready : std::future_status::timeout;
    }

    bool done() const { return checked().is_done(); }
    /// Did it end by cancellation?
    bool cancelled() const { return done() && checked().was_cancelled(); }
    /// The exception that it ended with, or null; throws `cancelled` if it was cancelled, invalid_state if it has not
    /// ended. Counts as having retrieved it.
    std::exception_ptr exception() const {
        auto& state = checked();
        if (!state.is_done()) {
            detail::throw_no_state("task::exception: the task has not ended");
        }
        if (state.was_cancelled()) {
            state.rethrow_error();
        }
        return state.error();
    }

    /// Requests cancellation; see task_ref::cancel. False if the task has ended.
    bool cancel(std::string reason = {}) const {
        return checked().request_cancel(detail::keep_reason(std::move(reason)));
    }
    unsigned cancelling() const { return checked().cancelling(); }
    unsigned uncancel() const { return checked().uncancel(); }

    std::string name() const { return checked().name(); }
    void set_name(std::string name) const { checked().set_name(std::move(name)); }
    std::uint64_t id() const { return checked().id(); }
    task_ref ref() const { return task_ref(detail::state_ptr<detail::task_base>::share(&checked())); }

    /// Calls `f(task_ref)` when the task has ended, or soon if it has: in a task of its own, never inline, in the order of
    /// registration. It runs with the context variables of the registration, and on the strand of who registers. Its
    /// exceptions go to on_unhandled_exception. When the task's runtime has ended, f is destroyed and never called. From any
    /// thread. Does not suspend. Throws std::bad_alloc.
    template <class F>
    void on_done(F&& f) const {
        static_assert(std::is_invocable_v<std::decay_t<F>&, task_ref>,
                      "coir::task::on_done: f must be callable as f(task_ref)");
        auto& state = checked();
        detail::add_done_callback(state, &state, [f = std::decay_t<F>(std::forward<F>(f)), self = ref()]() mutable {
            std::invoke(f, std::move(self));
        });
    }

    /// Lets go of the task, which runs on.
    void detach() noexcept {
        if (auto* const state = state_.detach()) {
            state->release_handle();
        }
    }
    /// Whether this handle refers to a task.
    bool valid() const noexcept { return static_cast<bool>(state_); }

    // For the library: the state behind the handle.
    explicit task(detail::state_ptr<detail::task_result<T>> state) noexcept : state_(std::move(state)) {}
    detail::state_ptr<detail::task_result<T>> const& state() const noexcept { return state_; }
    task(task&&) noexcept = default;
    task& operator=(task&& other) noexcept {
        task moved(std::move(other));
        std::swap(state_, moved.state_);
        return *this;
    }
    ~task() { detach(); }

private:
    detail::task_result<T>& checked() const {
        if (!state_) {
            detail::throw_no_state("task: the handle is empty (moved from or detached)");
        }
        return *state_;
    }

    detail::state_ptr<detail::task_result<T>> state_;
};

namespace detail {

struct no_introduction {
    void operator()(task_base&) const noexcept {}
};

/// As spawn(), in `home` or, if that is null, in the runtime of the calling task: `introduce(task_base&)` is called before
/// anybody can run the task; if it is not accepted after that, it ends as cancelled.
template <class Introduce, class F, class... Args>
auto spawn_introduced(scheduler* home, task_options* options, Introduce&& introduce, F&& function, Args&&... args) {
    using result = spawn_result_t<F, Args...>;
    if constexpr (!check_call<F, Args...>::passed) {
        return task<result>();
    } else {
        using call = bound_call<std::decay_t<F>, std::decay_t<Args>...>;
        using record = task_record<result, call>;
        static_assert(sizeof(record) <= k_largest_record);
        constexpr std::size_t size_class = size_class_for(sizeof(record));
        worker* here = home == nullptr ? this_worker() : nullptr;
        birth const born = home != nullptr ? begin_birth(*home, size_class) : begin_birth(here, size_class);
        auto* const made = new (born.memory) record(born, std::forward<F>(function), std::forward<Args>(args)...);
        record_guard guard{made};
        bool eagerly = false;
        if (options != nullptr) {
            eagerly = options->eager;
            apply_options(*made, std::move(*options));
        }
        if (born.parent == nullptr || born.parent->has(task_base::k_on_strand | task_base::k_has_context))
            [[unlikely]] {
            task_base::inherit(*made, born.parent);
        }
        introduce(*made);
        if (eagerly) {
            spawn_record_eagerly(*born.home, *made);
        } else if (home != nullptr) {
            spawn_record(*home, *made);
        } else {
            // The constructors of what is called, and what introduces it, may have suspended; but not if they are trivial.
            constexpr bool stays_here = std::is_same_v<std::decay_t<Introduce>, no_introduction> &&
                                        (std::is_trivially_constructible_v<std::decay_t<F>, F> && ... &&
                                         std::is_trivially_constructible_v<std::decay_t<Args>, Args>);
            spawn_record_here(stays_here && options == nullptr ? *here : *this_worker(), *made);
        }
        guard.record = nullptr;
        return task<result>(state_ptr<task_result<result>>::adopt(made));
    }
}

template <class F, class... Args>
auto spawn_in(scheduler* home, task_options* options, F&& function, Args&&... args) {
    return spawn_introduced(home, options, no_introduction(), std::forward<F>(function), std::forward<Args>(args)...);
}

}  // namespace detail

/// Starts `f(args...)` concurrently and returns its handle. The arguments are decayed and moved, as std::thread does. The
/// task starts later, in the order of spawning. Does not suspend. Throws no_running_runtime outside of a task,
/// std::bad_alloc.
template <class F, class... Args>
    requires(!std::is_same_v<std::decay_t<F>, task_options> && detail::meant_to_be_called<F, Args...>)
auto spawn(F&& f, Args&&... args) -> task<detail::spawn_result_t<F, Args...>> {
    return detail::spawn_in(nullptr, nullptr, std::forward<F>(f), std::forward<Args>(args)...);
}

/// The same, with options. Throws std::bad_alloc for a stack that no address space could hold. When there is no
/// memory for the stack at the moment, the task waits for it.
template <class F, class... Args>
auto spawn(task_options options, F&& f, Args&&... args) -> task<detail::spawn_result_t<F, Args...>> {
    return detail::spawn_in(nullptr, &options, std::forward<F>(f), std::forward<Args>(args)...);
}

}  // namespace coir

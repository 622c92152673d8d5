// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   run(f, args...)          a runtime around f, from its start to its end
//   run(options, f, args...)
//   run(argc, argv, f)       the same for main(); also where the worker processes of a process pool begin
//   serve_if_worker          that part alone, for mains that cannot live in a task
//   runtime                  the same in steps, and for programs with threads of their own

#include <coir/core/sched/options.hpp>
#include <coir/core/task/task.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace coir {

/// Workers and everything that their tasks need. Several may exist in a process. All members may be called from any
/// thread, but a runtime cannot be shut down or destroyed by one of its own tasks.
class runtime {
public:
    /// Starts the workers. Throws std::invalid_argument for bad options, std::system_error or std::bad_alloc when the process
    /// is out of threads, descriptors or memory.
    explicit runtime(runtime_options options = {});
    runtime(runtime const&) = delete;
    runtime& operator=(runtime const&) = delete;
    /// shutdown()
    ~runtime();

    /// Runs `f(args...)` as a task and waits for its result, which it returns; rethrows its exception. The task is called
    /// "main", as that of run() is; of several at once each. Blocks the calling thread (suspends a task of another runtime).
    /// Tasks that f has spawned run on. Throws deadlock_error when all tasks wait and nobody can wake one: they are cancelled
    /// then.
    template <class F, class... Args>
        requires(!std::is_same_v<std::decay_t<F>, task_options>)
    decltype(auto) block_on(F&& f, Args&&... args) {
        return block_on(task_options{.name = "main"}, std::forward<F>(f), std::forward<Args>(args)...);
    }
    /// The same of a task with options.
    template <class F, class... Args>
    decltype(auto) block_on(task_options options, F&& f, Args&&... args) {
        std::uint64_t const before = deadlocks();
        auto main = spawn(std::move(options), std::forward<F>(f), std::forward<Args>(args)...);
        return get_or_throw_deadlock(main, before);
    }

    /// Starts `f(args...)`, from any thread; see coir::spawn. Throws no_running_runtime after shutdown().
    template <class F, class... Args>
        requires(!std::is_same_v<std::decay_t<F>, task_options>)
    auto spawn(F&& f, Args&&... args) -> task<detail::spawn_result_t<F, Args...>> {
        return detail::spawn_in(&home(), nullptr, std::forward<F>(f), std::forward<Args>(args)...);
    }
    template <class F, class... Args>
    auto spawn(task_options options, F&& f, Args&&... args) -> task<detail::spawn_result_t<F, Args...>> {
        return detail::spawn_in(&home(), &options, std::forward<F>(f), std::forward<Args>(args)...);
    }

    /// Cancels every task, waits until all have ended, shuts the default executor down and stops the workers. Until a task
    /// has ended, each of its suspension points throws `cancelled`; one that refuses to end is named in a warning on stderr,
    /// and waited for. Blocks the calling thread; of a task of another runtime as blocking() does. Calling it again does
    /// nothing. Throws invalid_state in a task of this runtime.
    void shutdown();

    runtime_stats stats() const;

    /// Who waits for what, who holds it, and the circle if there is one, a line for each task, as deadlock_error tells it: for
    /// a program that hangs while a thread of its own could still wake a task, so that coir may not call it a deadlock. Waits
    /// until no worker has anything to do, at most `patience`; nullopt if there is always some task that runs. Any thread but
    /// this runtime's workers: throws invalid_state in one of its tasks. Blocks; what would wake a task meanwhile waits
    /// until the text is there. Throws std::bad_alloc.
    std::optional<std::string> describe_waits(std::chrono::nanoseconds patience = std::chrono::seconds(1)) const;

    /// The runtime of the calling task. Throws no_running_runtime outside of one.
    static runtime& current();

    /// The result of a task of this runtime, which had found `before` deadlocks when the task began; deadlock_error if it was a
    /// deadlock that cancelled it. Also if it has not noticed: others end by that cancellation too, and may have ended what it
    /// waited for before it saw its own.
    template <class R>
    R get_or_throw_deadlock(task<R>& awaited, std::uint64_t before = 0) {
        try {
            awaited.state()->join();
            throw_if_unaware_of_deadlock(*awaited.state(), before);
            return awaited.get();
        } catch (cancelled const& end) {
            throw_if_deadlocked(before, end.reason());
            throw;
        }
    }

private:
    detail::scheduler& home() const noexcept { return *scheduler_; }
    std::uint64_t deadlocks() const;
    void throw_if_deadlocked(std::uint64_t before, std::string const& reason_of_end) const;
    void throw_if_unaware_of_deadlock(detail::task_base& ended, std::uint64_t before) const;

    struct destroyer {
        void operator()(detail::scheduler* s) const noexcept;
    };
    std::unique_ptr<detail::scheduler, destroyer> scheduler_;
};

namespace detail {

bool in_a_task() noexcept;

/// main() has begun. In a process that was started to serve a process pool: does that until the pool lets go of it, and
/// returns the status that main() is to end with.
std::optional<int> enter_main(int argc, char** argv);

/// Makes Ctrl-C cancel a task, as runtime_options::handle_sigint says, for as long as it lives. It has the signal from its
/// making on, so that the task may begin after that, and loses none that comes before it knows the task.
class interrupt_handler {
public:
    explicit interrupt_handler(bool wanted);
    /// Which task that is. Once. Throws std::system_error.
    void cancels(task_ref const& target);
    interrupt_handler(interrupt_handler const&) = delete;
    interrupt_handler& operator=(interrupt_handler const&) = delete;
    ~interrupt_handler();

private:
    struct watcher;
    std::unique_ptr<watcher> watcher_;
};

template <class F, class... Args>
decltype(auto) run_with(runtime_options options, F&& f, Args&&... args) {
    bool const handle_sigint = options.handle_sigint;
    runtime home(std::move(options));
    interrupt_handler ctrl_c(handle_sigint);
    auto main = home.spawn(task_options{.name = "main"}, std::forward<F>(f), std::forward<Args>(args)...);
    ctrl_c.cancels(main.ref());
    main.wait();
    home.shutdown();
    return home.get_or_throw_deadlock(main);
}

}  // namespace detail

/// Starts a runtime, runs `f(args...)` in it as the main task, then cancels and awaits every task that is still alive, shuts
/// the default executor down, and returns f's result or rethrows its exception. Inside a task: runs f as a child task and
/// waits for it.
template <class F, class... Args>
    requires(!std::is_same_v<std::decay_t<F>, runtime_options> && !std::is_arithmetic_v<std::remove_cvref_t<F>> &&
             detail::meant_to_be_called<F, Args...>)
decltype(auto) run(F&& f, Args&&... args) {
    if (detail::in_a_task()) {
        return spawn(std::forward<F>(f), std::forward<Args>(args)...).get();
    }
    return detail::run_with(runtime_options{}, std::forward<F>(f), std::forward<Args>(args)...);
}

/// The same with options. Throws invalid_state inside a task.
template <class F, class... Args>
decltype(auto) run(runtime_options options, F&& f, Args&&... args) {
    if (detail::in_a_task()) {
        detail::throw_no_state("coir::run with options inside a task: nested runs share the runtime that they are in");
    }
    return detail::run_with(std::move(options), std::forward<F>(f), std::forward<Args>(args)...);
}

/// For mains that cannot live in a task (GoogleTest's, or one with a `runtime` of its own); to be called first. In a process
/// that was started to serve a process pool, serves and ends the process; in any other returns false, and process
/// pools may be made from then on.
bool serve_if_worker(int argc, char** argv);

/// For main(): `f()` or `f(argc, argv)` as the main task of a runtime. Returns its result, 0 for void. The worker processes
/// of a process pool begin here too: in one, f is not called.
template <class F>
int run(int argc, char** argv, F&& f) {
    static_assert(std::is_invocable_v<F> || std::is_invocable_v<F, int, char**>,
                  "coir::run: f must be callable as f() or f(argc, argv)");
    if (std::optional<int> const status = detail::enter_main(argc, argv)) {
        return *status;
    }
    auto const status_of = [](auto&& call) -> int {
        using result = decltype(call());
        constexpr bool is_status = std::is_void_v<result> || requires {
            static_cast<int>(call());
        };
        static_assert(is_status, "coir::run: what f returns is main()'s result: void, or what converts to int");
        if constexpr (std::is_void_v<result>) {
            call();
            return 0;
        } else if constexpr (is_status) {
            return static_cast<int>(call());
        }
    };
    return run([&] {
        if constexpr (std::is_invocable_v<F, int, char**>) {
            return status_of([&]() -> decltype(auto) { return std::invoke(std::forward<F>(f), argc, argv); });
        } else {
            return status_of([&]() -> decltype(auto) { return std::invoke(std::forward<F>(f)); });
        }
    });
}

}  // namespace coir

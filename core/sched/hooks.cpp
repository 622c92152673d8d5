// SPDX-License-Identifier: BSL-1.0
//
// What the layers below declare and the scheduler defines.

#include "core/base/type_name.hpp"
#include "core/io/this_reactor.hpp"
#include "core/sched/blocking_section.hpp"
#include "core/sched/scheduler.hpp"
#include "core/sched/worker.hpp"
#include "core/task/done_callbacks.hpp"
#include "core/task/record_cache.hpp"
#include "core/task/run_in_place.hpp"
#include "core/task/stack_switch_impl.hpp"
#include "core/task/strand_state.hpp"
#include "core/task/suspend_task.hpp"
#include "core/task/task_events.hpp"

#include <coir/core/base/tls.hpp>
#include <coir/core/task/future.hpp>
#include <coir/core/task/outside_work.hpp>
#include <coir/core/task/task.hpp>

#include <algorithm>
#include <cstdio>
#include <new>
#include <string>
#include <string_view>
#include <typeinfo>

namespace coir {

clock::time_point clock::now() noexcept {
    detail::worker* const here = detail::this_worker();
    return here != nullptr ? here->home().clock_now() : std::chrono::steady_clock::now();
}

namespace detail {

std::uint64_t take_task_ids(std::uint64_t count) noexcept;  // worker.cpp

task_base* current_task_or_null() noexcept {
    worker* const here = this_worker();
    return here != nullptr ? here->current_task() : nullptr;
}

bool may_linger() noexcept {
    worker* const here = this_worker();
    task_base* const task = here != nullptr ? here->current_task() : nullptr;
    if (task == nullptr) {
        return true;
    }
    bool const strand_is_wanted = task->has(task_base::k_on_strand) && task->strand().has_waiting();
    return !task->cancel_is_pending() && !strand_is_wanted && here->may_linger();
}

fiber_thread* this_worker_as_fiber_thread() noexcept {
    return this_worker();
}

std::size_t stack_size_here() noexcept {
    worker* const here = this_worker();
    return here != nullptr ? here->home().options().stack_size : 0;
}

wake_reason suspend_task(task_base& self, clock::time_point deadline) noexcept {
    worker* here = this_worker();
    if (deadline == k_never) {
        worker::park_current(here);
        return self.word.reason();
    }
    timer_node timer;
    timer.who = &self;
    here->timer_heap().add(timer, deadline);
    worker::park_current(here);
    timers::remove(timer);
    return self.word.reason();
}

void reserve_timer_here() {
    this_worker()->timer_heap().reserve_one();
}

std::uint32_t add_timer_here(timer_node& node, clock::time_point deadline, clock::time_point now) {
    worker* const here = this_worker();
    here->timer_heap().add(node, deadline);
    if (deadline <= now) {
        here->look_at_next_turn();  // it is due at the next suspension point, be that a yield among tasks that are ready
    }
    return here->home().number();
}

void remove_timer(timer_node& node, std::uint32_t runtime_number) noexcept {
    if_runtime_lives(
        runtime_number, [](void* p) noexcept { static_cast<void>(timers::take_out(*static_cast<timer_node*>(p))); },
        static_cast<void*>(&node));
    timers::wait_for_callback(node);
}

void sometimes_yield() noexcept {
    worker* const here = this_worker();
    if (here != nullptr && here->current_task() != nullptr) {
        worker::sometimes_yield(here);
    }
}

outside_work::outside_work() noexcept : runtime_(0) {
    scheduler* const home = runtime_of_this_thread();
    if (home != nullptr && home->still().has_virtual_time()) {
        home->still().outside_work_begins();
        runtime_ = home->number();
    }
}

outside_work::~outside_work() {
    if (runtime_ != 0) {
        scheduler::with_live(
            runtime_, [](scheduler& home, void*) noexcept { home.still().outside_work_ends(); }, nullptr);
    }
}

bool try_yield() {
    worker* const here = this_worker();
    task_base* const self = here != nullptr ? here->current_task() : nullptr;
    if (self == nullptr) {
        return false;
    }
    self->before_suspension();
    if (self->cancel_is_due()) [[unlikely]] {
        self->deliver_cancel();
    }
    worker::yield(here);
    if (self->cancel_is_due()) [[unlikely]] {  // it has come meanwhile: a yield has no result that could be lost
        self->deliver_cancel();
    }
    return true;
}

bool try_yield_to_events() {
    if (worker* const here = this_worker()) {
        here->look_at_next_turn();
    }
    return try_yield();
}

scheduler& current_scheduler() {
    worker* const here = this_worker();
    if (here == nullptr || here->current_task() == nullptr) {
        throw no_running_runtime();
    }
    return here->home();
}

namespace {

// What begin_birth() needs is not at hand. Apart, so that it saves no registers, as all that calls nothing.
COIR_COLD birth begin_birth_slowly(worker* here, std::size_t size_class) {
    if (here == nullptr || here->current_task() == nullptr) {
        throw no_running_runtime();
    }
    here->records().stock(size_class);
    here->stock_task_ids();
    return begin_birth(here, size_class);
}

}  // namespace

birth begin_birth(worker* here, std::size_t size_class) {
    task_base* const parent = here != nullptr ? here->current_task() : nullptr;
    if (parent == nullptr || !here->records().has(size_class) || !here->has_task_ids()) [[unlikely]] {
        return begin_birth_slowly(here, size_class);
    }
    return {allocate_record(here->records(), size_class), &here->home(), parent, here->next_task_id(),
            here->home().number()};
}

birth begin_birth(scheduler& home, std::size_t size_class) {
    worker* const here = this_worker();
    if (here != nullptr && &here->home() == &home && here->current_task() != nullptr) {
        return begin_birth(here, size_class);
    }
    return {allocate_record(size_class), &home, current_task_or_null(), take_task_ids(1), home.number()};
}

birth begin_birth_of_callback(std::size_t size_class, task_base const* of) {
    worker* const here = this_worker();
    bool const in_a_task = here != nullptr && here->current_task() != nullptr;
    if (of == nullptr || (in_a_task && here->home().number() == of->home_number())) {
        return begin_birth(here, size_class);
    }
    // That runtime may have ended, so nothing but its number is used.
    return {allocate_record(size_class), &of->home(), current_task_or_null(), take_task_ids(1), of->home_number()};
}

void spawn_record(scheduler& home, task_base& task) {
    home.spawn(task);
}

void spawn_record_here(worker& here, task_base& task) {
    here.home().is_shutting_down() ? here.home().spawn(task) : here.push_new(task);
}

void spawn_record_eagerly(scheduler& home, task_base& task) {
    worker* const here = this_worker();
    if (here == nullptr || &here->home() != &home || here->current_task() == nullptr || home.is_shutting_down()) {
        home.spawn(task);
        return;
    }
    here->current_task()->before_suspension();
    worker::run_eagerly(here, task);
}

void start_dormant(task_base& task) noexcept {
    task.end_dormancy();
    struct attempt {
        task_base& task;
        bool accepted;
    } tried{task, false};
    auto const start = [](scheduler& home, void* p) noexcept {
        auto& t = *static_cast<attempt*>(p);
        try {
            home.spawn(t.task);
            t.accepted = true;
        } catch (std::exception const&) {
            t.accepted = false;  // it has shut down, or is out of memory
        }
    };
    worker* const here = this_worker();
    if (here != nullptr && here->home().number() == task.home_number()) {
        start(here->home(), &tried);
    } else {
        scheduler::with_live(task.home_number(), start, &tried);
    }
    if (tried.accepted) {
        task.release_handle();
    } else {
        task.abandon_unspawned();
    }
}

void make_task_ready(task_base& task) noexcept {
    task.home().make_ready(task);
}

bool try_run_in_place(task_base& awaited) noexcept {
    return worker::try_run_in_place(awaited);
}

std::uint32_t this_runtime_number() noexcept {
    worker* const here = this_worker();
    return here != nullptr && here->current_task() != nullptr ? here->home().number() : 0;
}

reactor& this_reactor() noexcept {
    return this_worker()->poller();
}

void if_runtime_lives(std::uint32_t number, void (*action)(void*) noexcept, void* context) noexcept {
    worker* const here = this_worker();
    if (here != nullptr && here->home().number() == number) {
        action(context);  // it does not end before its workers
        return;
    }
    struct call {
        void (*action)(void*) noexcept;
        void* context;
    } forwarded{action, context};
    scheduler::with_live(
        number,
        [](scheduler&, void* p) noexcept {
            auto const& c = *static_cast<call*>(p);
            c.action(c.context);
        },
        &forwarded);
}

bool this_stack_unwinds() noexcept {
    return this_worker()->eh->uncaught_exceptions != 0;
}

std::vector<state_ptr<task_base>> live_tasks_of(scheduler const& home) {
    return home.live_tasks();
}

namespace {

// One line on stderr, of what came before it, on which task, and of what the exception is. Allocates nothing with operator
// new: it may well be about a std::bad_alloc.
void print_error(char const* before, std::exception_ptr const& error, std::string_view name = "") noexcept {
    char const* const quote = name.empty() ? "" : "'";
    auto const length = static_cast<int>(std::min(name.size(), std::size_t{1} << 20));
    try {
        std::rethrow_exception(error);
    } catch (std::exception const& e) {
        std::fprintf(stderr, "coir: %s%s%.*s%s: %s: %s\n", before, quote, length, name.data(), quote,
                     type_name(typeid(e)).c_str(), e.what());
    } catch (...) {
        std::fprintf(stderr, "coir: %s%s%.*s%s: an exception of type %s\n", before, quote, length, name.data(), quote,
                     type_name::of_current_exception().c_str());
    }
}

constexpr char k_handler_threw[] = "on_unhandled_exception itself threw";

}  // namespace

void report_unretrieved(task_base& failed, std::uint32_t home_number, std::exception_ptr const& error) noexcept {
    std::shared_ptr<scheduler::unhandled_handler const> handler;
    scheduler::with_live(
        home_number,
        [](scheduler& home, void* p) noexcept {
            *static_cast<std::shared_ptr<scheduler::unhandled_handler const>*>(p) = home.on_unhandled();
        },
        &handler);
    try {
        if (handler) {
            (*handler)(task_ref(state_ptr<task_base>::share(&failed)), error);
        } else {
            constexpr char before[] = "unhandled exception in task ";
            std::string name;
            try {
                name = failed.name();
            } catch (std::bad_alloc const&) {
                char beginning[100];
                print_error(before, error, {beginning, failed.copy_name(beginning, sizeof beginning)});
                return;
            }
            print_error(before, error, name);
        }
    } catch (...) {
        print_error(k_handler_threw, std::current_exception());
    }
}

void report_unhandled_here(std::exception_ptr const& error) noexcept {
    worker* const here = this_worker();
    task_base* const task = here != nullptr ? here->current_task() : nullptr;
    if (task != nullptr) {
        report_unretrieved(*task, here->home().number(), error);
    } else {
        print_error("unhandled exception in a generator or coroutine", error);
    }
}

std::uint32_t callers_runtime_number() noexcept {
    scheduler* const home = runtime_of_this_thread();
    return home != nullptr ? home->number() : 0;
}

namespace {

struct letting_go {
    state_ptr<shared_state_base> last;
    void operator()() { last = {}; }
};

// Nobody has a reference to `state`: a task of that runtime, which has a handler, gets one. True: then the state may be gone
// afterwards.
bool let_go_in_runtime(std::uint32_t number, shared_state_base& state) noexcept {
    using record = task_record<void, letting_go>;
    scheduler* home = nullptr;  // may end at any time: start_dormant() looks again
    scheduler::with_live(
        number,
        [](scheduler& found, void* p) noexcept {
            *static_cast<scheduler**>(p) = found.on_unhandled() ? &found : nullptr;
        },
        static_cast<void*>(&home));
    if (home == nullptr) {
        return false;
    }
    void* memory = nullptr;
    try {
        memory = allocate_record(size_class_for(sizeof(record)));
    } catch (std::bad_alloc const&) {
        return false;
    }
    record_references(&state).store(1, memory_order_release);
    auto* const task = new (memory) record(birth{memory, home, nullptr, take_task_ids(1), number},
                                           letting_go{state_ptr<shared_state_base>::adopt(&state)});
    task->make_dormant();
    task->add_trait(task_base::k_starts_if_cancelled);
    start_dormant(*task);
    return true;
}

}  // namespace

bool report_unretrieved_error(shared_state_base& state, std::uint32_t home) noexcept {
    if (!state.is_done() || !state.has_error() || state.was_cancelled() || state.error_was_retrieved()) {
        return true;
    }
    worker* const here = this_worker();
    task_base* const current = here != nullptr ? here->current_task() : nullptr;
    if (current == nullptr && home != 0 && let_go_in_runtime(home, state)) {
        return false;
    }
    std::exception_ptr const error = state.error();
    try {
        if (current != nullptr && here->home().on_unhandled()) {
            auto const handler = here->home().on_unhandled();
            (*handler)(task_ref(state_ptr<task_base>::share(current)), error);
        } else {
            print_error("unhandled exception in a future that nobody looked at", error);
        }
    } catch (...) {
        print_error(k_handler_threw, std::current_exception());
    }
    return true;
}

}  // namespace detail
}  // namespace coir

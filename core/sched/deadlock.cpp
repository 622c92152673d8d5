// SPDX-License-Identifier: BSL-1.0
#include "core/sched/deadlock.hpp"

#include "core/base/thread_count.hpp"
#include "core/sched/scheduler.hpp"

#include <coir/core/task/suspend.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <thread>
#include <unordered_map>
#include <vector>

namespace coir::detail {
namespace {

struct waiting_task {
    std::string name;
    std::string what;
    std::uint64_t depends_on = 0;
    char const* relation = "namely";
};

using waiting_tasks = std::unordered_map<std::uint64_t, waiting_task>;

std::string hexadecimal(void const* address) {
    char text[2 + 2 * sizeof address + 1];
    std::snprintf(text, sizeof text, "%p", address);
    return text;
}

waiting_task describe(task_base& task) {
    waiting_task result{task.name(), k_waits_for_something.text};
    if (shared_state_base* const awaited = task.awaits()) {
        result.what = awaited->is_task() ? "a task" : "a future";
        result.depends_on = awaited->is_task() ? static_cast<task_base*>(awaited)->id() : 0;
        return result;
    }
    if (wait_subject const* const wait = task.waits_for()) {
        result.what = wait->kind->text;
        result.relation = wait->kind->relation;
        if (wait->object != nullptr) {
            result.what += " (" + hexadecimal(wait->object) + ")";
            result.depends_on = wait->kind->depends_on != nullptr ? wait->kind->depends_on(wait->object) : 0;
        }
    }
    return result;
}

// Follows who depends on whom from each task; a task that is met again on the way closes a circle. Each is gone through once:
// a way that runs into that of an earlier start has no circle, or it would have been found.
std::vector<std::uint64_t> find_circle(waiting_tasks const& tasks, std::vector<std::uint64_t> const& order) {
    std::unordered_map<std::uint64_t, std::uint64_t> start_of_way;
    for (std::uint64_t const start : order) {
        std::uint64_t at = start;
        while (tasks.contains(at) && start_of_way.emplace(at, start).second) {
            at = tasks.at(at).depends_on;
        }
        auto const met = start_of_way.find(at);
        if (met == start_of_way.end() || met->second != start) {
            continue;
        }
        std::vector<std::uint64_t> circle;
        do {
            circle.push_back(at);
            at = tasks.at(at).depends_on;
        } while (at != circle.front());
        return circle;
    }
    return {};
}

}  // namespace

outlook outlook_of(scheduler& home) noexcept {
    std::size_t const own_threads = home.worker_count() + (home.options().seed ? 0 : 1);
    if (home.is_shutting_down() || home.idlers().sleepers() != home.worker_count() || !home.global_queue().empty() ||
        home.still().has_outside_work() || home.all_ended()) {
        return outlook::alive;
    }
    for (unsigned i = 0; i < home.worker_count(); ++i) {
        worker& w = home.worker_at(i);
        if (!w.thief().empty() || w.timer_heap().next_deadline() != k_never || w.poller().has_descriptors()) {
            return outlook::alive;
        }
    }
    if (scheduler::live_count() != 1) {
        return outlook::uncertain;
    }
    switch (look_for_other_threads(own_threads)) {
    case other_threads::exist:
        return outlook::uncertain;
    case other_threads::just_woken:
        return outlook::unsettled;
    case other_threads::none:
        break;
    }
    // Nobody has woken a worker between the two looks, and nobody is left who could.
    return home.idlers().sleepers() == home.worker_count() && home.global_queue().empty() ? outlook::deadlock
                                                                                          : outlook::alive;
}

std::string describe_waits(scheduler& home) {
    waiting_tasks tasks;
    std::vector<std::uint64_t> order;
    for (auto const& task : home.live_tasks()) {
        order.push_back(task->id());
        tasks.emplace(task->id(), describe(*task));
    }
    std::sort(order.begin(), order.end());

    std::string text;
    for (std::uint64_t const id : order) {
        waiting_task const& t = tasks.at(id);
        text += "\n  task '" + t.name + "' waits for " + t.what;
        if (t.depends_on != 0) {
            auto const other = tasks.find(t.depends_on);
            text += std::string(", ") + t.relation + ' ';
            text += other != tasks.end() ? "'" + other->second.name + "'" : "a task that has ended";
        }
    }
    if (auto const circle = find_circle(tasks, order); !circle.empty()) {
        text += "\n  the circle: ";
        for (std::uint64_t const id : circle) {
            text += "'" + tasks.at(id).name + "' -> ";
        }
        text += "'" + tasks.at(circle.front()).name + "'";
    }
    return text;
}

std::optional<std::string> describe_waits_at_rest(scheduler& home, std::chrono::nanoseconds patience) {
    constexpr auto k_look_again = std::chrono::microseconds(200);
    auto const start = std::chrono::steady_clock::now();
    for (;;) {
        {
            scheduler::all_kept_down const kept(home);
            if (kept.all_rest()) {
                return describe_waits(home);
            }
        }
        if (std::chrono::steady_clock::now() - start >= patience) {
            return std::nullopt;
        }
        std::this_thread::sleep_for(k_look_again);
    }
}

}  // namespace coir::detail

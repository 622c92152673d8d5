// SPDX-License-Identifier: BSL-1.0
#include <coir/core/sched/explore.hpp>

#include "core/base/type_name.hpp"
#include "core/sched/scheduler.hpp"

#include <coir/core/base/errors.hpp>
#include <coir/core/sched/runtime.hpp>

#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>

namespace coir::testing {
namespace {

std::optional<std::uint64_t> only_seed() {
    char const* const value = std::getenv("COIR_SEED");
    if (value == nullptr || *value == '\0') {
        return std::nullopt;
    }
    std::string_view const text = value;
    std::uint64_t seed = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
    if (error != std::errc{} || end != text.data() + text.size()) {
        throw std::invalid_argument("COIR_SEED must be a number, not '" + std::string(text) + "'");
    }
    return seed;
}

// Inside a catch block.
std::string describe_current_exception() {
    try {
        throw;
    } catch (std::exception const& e) {
        return e.what();
    } catch (cancelled const& c) {
        return "it was cancelled" + (c.reason().empty() ? "" : ": " + c.reason());
    } catch (...) {
        return std::string("an exception of type ") + detail::type_name::of_current_exception().c_str();
    }
}

// Looks in the main task as that ends: what comes after it, the shutdown, is no part of the run.
struct look_at_the_end {
    bool& replayable;

    ~look_at_the_end() {
        auto& home = coir::detail::current_scheduler();
        replayable = !home.still().outside_had_a_part() && home.stats().io_events == 0;
    }
};

void run_with_seed(std::uint64_t seed, std::function<void()> const& f) {
    runtime home(runtime_options{.seed = seed, .name = "explore"});
    bool replayable = true;
    try {
        home.block_on([&] {
            look_at_the_end const look{replayable};
            f();
        });
        home.shutdown();
    } catch (...) {
        home.shutdown();
        throw exploration_failed(
            seed,
            "seed " + std::to_string(seed) + " fails (COIR_SEED=" + std::to_string(seed) +
                " runs it again): " + describe_current_exception() +
                (replayable ? "" : " [descriptors or other threads had a part in it, which a seed cannot replay]"));
    }
}

}  // namespace

exploration_failed::exploration_failed(std::uint64_t seed, std::string const& what)
    : std::runtime_error("coir::testing::explore: " + what), seed_(seed) {}

void explore(unsigned seeds, std::function<void()> const& f) {
    if (coir::detail::in_a_task()) {
        throw invalid_state("coir::testing::explore inside a task: it starts runtimes of its own");
    }
    if (auto const only = only_seed()) {
        run_with_seed(*only, f);
        return;
    }
    for (unsigned seed = 1; seed <= seeds; ++seed) {
        run_with_seed(seed, f);
    }
}

void wait_all_blocked() {
    coir::detail::current_scheduler().still().next().get();
}

}  // namespace coir::testing

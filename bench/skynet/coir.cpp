// SPDX-License-Identifier: BSL-1.0
#include "bench/skynet/skynet.hpp"

#include <coir/coir.hpp>

#include <array>
#include <memory>

namespace bench::skynet {
namespace {

std::uint64_t by_fork_join(std::uint64_t number, std::uint64_t leaves) {  // NOLINT(misc-no-recursion)
    if (leaves == 1) {
        return number;
    }
    std::uint64_t const part = leaves / 10;
    auto branch = [number, part](std::uint64_t which) {
        return [=] { return by_fork_join(number + which * part, part); };
    };
    auto const sums = coir::fork_join(branch(0), branch(1), branch(2), branch(3), branch(4), branch(5), branch(6),
                                      branch(7), branch(8), branch(9));
    return std::apply([](auto... each) { return (each + ...); }, sums);
}

std::uint64_t by_tasks(std::uint64_t number, std::uint64_t leaves) {  // NOLINT(misc-no-recursion)
    if (leaves == 1) {
        return number;
    }
    std::array<coir::task<std::uint64_t>, 10> branches;
    for (std::uint64_t which = 0; which < 10; ++which) {
        branches[which] = coir::spawn(&by_tasks, number + which * (leaves / 10), leaves / 10);
    }
    std::uint64_t sum = 0;
    for (auto& branch : branches) {
        sum += branch.get();
    }
    return sum;
}

competitor on_runtime(std::string const& name, unsigned workers, std::uint64_t (*tree)(std::uint64_t, std::uint64_t)) {
    auto const home = std::make_shared<coir::runtime>(coir::runtime_options{.workers = workers});
    return {"coir " + name + ' ' + std::to_string(workers), [home, tree](std::uint64_t units) {
                return home->block_on([units, tree] { return measure(units, tree); });
            }};
}

}  // namespace

competitor coir_fork_join(unsigned workers) {
    return on_runtime("fork_join", workers, &by_fork_join);
}

competitor coir_tasks(unsigned workers) {
    return on_runtime("spawn and get", workers, &by_tasks);
}

}  // namespace bench::skynet

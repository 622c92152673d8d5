// SPDX-License-Identifier: BSL-1.0
//
// A lock with the standard guards, and a flag to wait for.

#include "scenarios.hpp"

#include <mutex>

namespace {

using namespace std::chrono_literals;

void take_turns() {
    coir::mutex lock;
    int balance = 100;
    auto const withdraw = [&](std::string const& who, int amount) {
        std::scoped_lock const guard(lock);
        int const before = balance;
        coir::sleep(1s);  // others run, but none that wants the lock
        balance = before - amount;
        std::cout << who << " leaves " << balance << '\n';
    };
    coir::gather([&] { withdraw("Ann", 30); }, [&] { withdraw("Ben", 50); });
}

void wait_for_the_signal() {
    coir::event ready;
    auto const runner = [&](std::string const& name) {
        std::cout << name << " waits\n";
        ready.wait();
        std::cout << name << " runs\n";
    };
    auto first = coir::spawn(runner, "first");
    auto second = coir::spawn(runner, "second");
    coir::sleep(1s);
    std::cout << "ready, go\n";
    ready.set();
    coir::gather(first, second);
}

}  // namespace

void scenarios::lock_and_event() {
    coir::run(as_one_loop(), take_turns);
    coir::run(as_one_loop(), wait_for_the_signal);
}

// SPDX-License-Identifier: BSL-1.0
//
// A test of a program whose outcome depends on who is first: every seed is another order, and can be run again.

#include "recipes.hpp"

#include <coir/coir.hpp>
#include <coir/testing.hpp>

#include <chrono>
#include <iostream>
#include <stdexcept>

using namespace std::chrono_literals;

namespace {

class account {
public:
    void withdraw(int amount) {
        if (balance_ >= amount) {
            coir::sleep(1s);  // asks the bank; takes no time in a test
            balance_ -= amount;
        }
    }
    int balance() const { return balance_; }

private:
    int balance_ = 100;
};

void two_withdrawals() {
    account a;
    coir::gather([&] { a.withdraw(70); }, [&] { a.withdraw(70); });
    if (a.balance() < 0) {
        throw std::logic_error("overdrawn");
    }
}

}  // namespace

void recipes::find_a_race() {
    try {
        coir::testing::explore(100, two_withdrawals);
    } catch (coir::testing::exploration_failed const& found) {
        std::cout << found.what() << '\n';
    }
}

// SPDX-License-Identifier: BSL-1.0
//
// A program that was written for one event loop, on all cores: what shares a strand takes turns, the rest runs beside it.

#include "recipes.hpp"

#include <coir/coir.hpp>

#include <iostream>
#include <map>
#include <string>
#include <vector>

namespace {

class shop {
public:
    void sell(std::string const& what) {
        if (stock_[what] > 0) {  // nobody else between here and the next suspension point
            --stock_[what];
            ++sold_;
        }
        coir::yield();
    }
    int sold() const { return sold_; }

private:
    std::map<std::string, int> stock_{{"apple", 100}};
    int sold_ = 0;
};

void many_customers() {
    shop apples;
    coir::strand one_at_a_time;
    std::vector<coir::task<void>> customers;
    customers.reserve(16);
    for (int i = 0; i < 16; ++i) {
        customers.push_back(coir::spawn({.strand = one_at_a_time}, [&] {
            for (int n = 0; n < 10; ++n) {
                apples.sell("apple");
            }
        }));
    }
    coir::gather(customers);
    std::cout << "sold: " << apples.sold() << '\n';
}

}  // namespace

void recipes::shared_state() {
    coir::run(many_customers);
}

// SPDX-License-Identifier: BSL-1.0
#include "bench/matmul/matmul.hpp"

#include <memory>
#include <thread>

namespace bench::matmul {
namespace {

void in_turn(product const& whole) {
    multiply(whole, [](auto const& f, auto const& g) {
        f();
        g();
    });
}

}  // namespace

void multiply_block(product const& p) {
    for (std::size_t i = 0; i < p.rows; ++i) {
        for (std::size_t k = 0; k < p.inner; ++k) {
            float const factor = p.a[i * k_n + k];
            for (std::size_t j = 0; j < p.columns; ++j) {
                p.c[i * k_n + j] += factor * p.b[k * k_n + j];
            }
        }
    }
}

matrices::matrices() : a_(k_n * k_n), b_(k_n * k_n), c_(k_n * k_n) {
    for (std::size_t i = 0; i < k_n * k_n; ++i) {
        a_[i] = static_cast<float>(i * 7 % 11);
        b_[i] = static_cast<float>(i * 5 % 13);
    }
    // Row by row, without any halving.
    multiply_block({a_.data(), b_.data(), c_.data()});
    right_ = c_;
}

product matrices::fresh() {
    std::fill(c_.begin(), c_.end(), 0.0F);
    return {a_.data(), b_.data(), c_.data()};
}

void matrices::check() const {
    if (c_ != right_) {
        throw wrong_result("matmul: a wrong entry");
    }
}

competitor plain_calls() {
    auto const m = std::make_shared<matrices>();
    return {"plain", [m](std::uint64_t units) { return measure(*m, units, &in_turn); }};
}

// What two cores give without any sharing of work.
competitor plain_on_two_threads() {
    auto const m = std::make_shared<matrices>();
    return {"plain, two threads", [m](std::uint64_t units) {
                return measure(*m, units, [](product const& whole) {
                    std::thread other([&] { in_turn(whole.upper()); });
                    in_turn(whole.lower());
                    other.join();
                });
            }};
}

}  // namespace bench::matmul

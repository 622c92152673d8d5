// SPDX-License-Identifier: BSL-1.0
//
// usage: coir_recipes [recipe...]
//
// Runs the recipes, all or those that are named. expected.txt is what they print. Those that would depend on the clock or on who
// is first use one worker and virtual time; in your own program leave both away: coir::run(f).

#include "recipes.hpp"

#include <coir/coir.hpp>

#include <algorithm>
#include <iostream>
#include <string_view>
#include <vector>

namespace {

struct recipe {
    std::string_view name;
    void (*run)();
};

constexpr recipe k_all[] = {
    {"fetch_many", recipes::fetch_many},     {"chat", recipes::chat},
    {"pipeline", recipes::pipeline},         {"offload", recipes::offload},
    {"parallel", recipes::parallel},         {"rate_limit", recipes::rate_limit},
    {"failures", recipes::failures},         {"choose", recipes::choose},
    {"shared_state", recipes::shared_state}, {"find_a_race", recipes::find_a_race},
    {"http_server", recipes::http_server},
};

}  // namespace

int main(int argc, char** argv) {
    coir::serve_if_worker(argc, argv);  // does not return in the worker processes of offload
    std::vector<std::string_view> const wanted(argv + 1, argv + argc);
    for (auto const& name : wanted) {
        if (std::none_of(std::begin(k_all), std::end(k_all), [&](auto const& r) { return r.name == name; })) {
            std::cerr << "no recipe is called " << name << '\n';
            return 1;
        }
    }
    for (auto const& r : k_all) {
        if (wanted.empty() || std::find(wanted.begin(), wanted.end(), r.name) != wanted.end()) {
            std::cout << "--- " << r.name << '\n';
            r.run();
        }
    }
    return 0;
}

// SPDX-License-Identifier: BSL-1.0
#include <coir/process_pool.hpp>

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

namespace {

std::map<std::string, int> counted(const std::vector<std::string>& words) {
    std::map<std::string, int> counts;
    for (const auto& word : words) {
        ++counts[word];
    }
    return counts;
}

int app_main() {
    coir::process_pool_executor pool{{.max_workers = 2}};
    auto crash = pool.submit<[] { std::abort(); }>();
    auto counts = pool.submit<&counted>(std::vector<std::string>{"a", "b", "a"});
    try {
        crash.get();
    } catch (const coir::worker_died&) {
        return counts.get().at("a") == 2 ? 0 : 1;
    }
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    return coir::run(argc, argv, app_main);
}

// SPDX-License-Identifier: BSL-1.0
//
// Each case must not compile, and the compiler must say why in words. options.cmake compiles them one by one.
#include <coir/process_pool.hpp>

#include <span>
#include <string>
#include <string_view>
#include <vector>

int& result_is_a_reference(int);
char const* result_is_a_pointer(int);
std::string_view result_is_a_view(std::string const&);
void parameter_is_written_to(std::string&);
void parameter_is_a_pointer(int*);
void parameter_is_a_view(std::span<int const>);
int two(int, int);

void refused(coir::process_pool_executor& pool) {
#if COIR_REFUSED == 1
    pool.submit<&result_is_a_reference>(1);
#elif COIR_REFUSED == 2
    pool.submit<&result_is_a_pointer>(1);
#elif COIR_REFUSED == 3
    pool.submit<&result_is_a_view>("x");
#elif COIR_REFUSED == 4
    std::string text;
    pool.submit<&parameter_is_written_to>(text);
#elif COIR_REFUSED == 5
    int number = 0;
    pool.submit<&parameter_is_a_pointer>(&number);
#elif COIR_REFUSED == 6
    pool.submit<&parameter_is_a_view>(std::vector<int>());
#elif COIR_REFUSED == 7
    pool.submit<&two>(1);
#elif COIR_REFUSED == 8
    pool.submit<&two>("one", 2);
#else
    pool.submit<&two>(1, 2);
#endif
}

/* gbench.cc: the shim over Google Benchmark, 1.7 and later.
 *
 * A reporter keeps the samples in memory. The library takes defaults for all its flags from the
 * environment (BENCHMARK_FILTER, BENCHMARK_REPETITIONS and so on), and Debian's build can neither
 * be trusted to say how it was built nor to reject a flag it does not know; so every flag that
 * could change a measurement is set here, and every result is checked against what was asked for.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench/gbench.h"

#include <benchmark/benchmark.h>

#include <cmath>
#include <exception>
#include <vector>

extern "C" {
#include "bench/stats.h"
}

namespace
{

using Run = benchmark::BenchmarkReporter::Run;

/* 1.7 has a flag for failure, 1.8 made it the enum `skipped`. */
template <class R> auto failed(const R &run, int) -> decltype(static_cast<bool>(run.error_occurred))
{
    return run.error_occurred;
}

template <class R> auto failed(const R &run, long) -> decltype(static_cast<bool>(run.skipped))
{
    return static_cast<bool>(run.skipped);
}

class Keeper : public benchmark::BenchmarkReporter
{
  public:
    std::vector<Run> runs;
    bool ReportContext(const Context &) override
    {
        return true;
    }
    void ReportRuns(const std::vector<Run> &report) override
    {
        runs.insert(runs.end(), report.begin(), report.end());
    }
};

/* Flags of other versions are left alone by the parser. */
void initialise()
{
    static bool done = false;
    static const char *const flags[] = {
        "kernelmark",
        "--benchmark_list_tests=false",
        "--benchmark_repetitions=1",
        "--benchmark_min_warmup_time=0",
        "--benchmark_enable_random_interleaving=false",
        "--benchmark_report_aggregates_only=false",
        "--benchmark_display_aggregates_only=false",
        "--benchmark_dry_run=false",
        "--benchmark_out=",
        "--benchmark_perf_counters=",
        "--v=0",
    };
    if (done)
        return;
    std::vector<char *> argv;
    for (const char *flag : flags)
        argv.push_back(const_cast<char *>(flag));
    int argc = static_cast<int>(argv.size());
    argv.push_back(nullptr);
    benchmark::Initialize(&argc, argv.data());
    done = true;
}

/* The range form keeps its counter in a register: a decrement and an indirect call per turn. */
void loop(benchmark::State &state, const km_timed &timed)
{
    void (*const run)(void *) = timed.run;
    void *const context = timed.context;
    for (int64_t i = 0; i < timed.warmup; i++)
        run(context);
    for (auto _ : state)
        run(context);
}

void enroll(const km_timed &timed)
{
    benchmark::RegisterBenchmark(timed.name,
                                 [&timed](benchmark::State &state) { loop(state, timed); })
        ->Iterations(timed.iterations)
        ->Repetitions(1)
        ->UseRealTime()
        ->Unit(benchmark::kNanosecond);
}

/* Registration order is the family's index; the name would not be unique. */
int take(const Run &run, const km_timed *timed, size_t count, double *ns, km_error *error)
{
    if (run.family_index < 0 || static_cast<size_t>(run.family_index) >= count)
        return km_fail(error, "Google Benchmark reported a run that was not asked for");
    const km_timed &asked = timed[run.family_index];
    double time = run.real_accumulated_time * 1e9 / static_cast<double>(asked.iterations);
    if (failed(run, 0))
        return km_fail(error, "Google Benchmark skipped '%.60s'", asked.name);
    if (run.run_type != Run::RT_Iteration || run.iterations != asked.iterations)
        return km_fail(error, "Google Benchmark ran '%.60s' %lld times instead of %lld", asked.name,
                       static_cast<long long>(run.iterations),
                       static_cast<long long>(asked.iterations));
    if (!std::isfinite(time) || time <= 0)
        return km_fail(error, "Google Benchmark measured no time for '%.60s'", asked.name);
    if (ns[run.family_index] > 0)
        return km_fail(error, "Google Benchmark reported '%.60s' twice", asked.name);
    ns[run.family_index] = time;
    return 0;
}

int round_of(const km_timed *timed, size_t count, double *ns, km_error *error)
{
    Keeper keeper;
    initialise();
    for (size_t i = 0; i < count; i++) {
        if (timed[i].iterations < 1)
            return km_fail(error, "'%.60s' was to be timed zero times", timed[i].name);
        enroll(timed[i]);
        ns[i] = 0;
    }
    benchmark::RunSpecifiedBenchmarks(&keeper, nullptr, ".");
    if (keeper.runs.size() != count)
        return km_fail(error, "Google Benchmark reported %zu runs instead of %zu",
                       keeper.runs.size(), count);
    for (const Run &run : keeper.runs)
        if (take(run, timed, count, ns, error))
            return -1;
    return 0;
}

void nothing(void *)
{
}

} // namespace

int km_gbench_round(const km_timed *timed, size_t count, double *ns, km_error *error)
{
    int result = -1;
    if (count == 0)
        return km_fail(error, "nothing to time");
    try {
        benchmark::ClearRegisteredBenchmarks();
        result = round_of(timed, count, ns, error);
    } catch (const std::exception &e) {
        km_fail(error, "Google Benchmark failed: %.200s", e.what());
    } catch (...) {
        km_fail(error, "Google Benchmark failed");
    }
    benchmark::ClearRegisteredBenchmarks(); /* the lambdas refer to the caller's entries */
    return result;
}

int km_gbench_overhead(double *ns, km_error *error)
{
    enum { ROUNDS = 9 };
    const km_timed empty = {"empty", nothing, nullptr, 1000, 200000};
    double sample[ROUNDS];
    for (double &one : sample)
        if (km_gbench_round(&empty, 1, &one, error))
            return -1;
    *ns = km_median(sample, ROUNDS);
    return 0;
}

const char *km_gbench_version(void)
{
    return KM_GBENCH_VERSION;
}

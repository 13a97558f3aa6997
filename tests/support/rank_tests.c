// cmocka.h needs these four before it.
#include "tests/support/rank_tests.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "learner/comm.h"

#define PATIENCE_S 120u

void rank_tests_pin_blas(char **argv)
{
    const char *core = getenv("OPENBLAS_CORETYPE"), *threads = getenv("OPENBLAS_NUM_THREADS");

    if (core != NULL && strcmp(core, "Haswell") == 0 && threads != NULL &&
        strcmp(threads, "1") == 0) {
        return;
    }
    setenv("OPENBLAS_CORETYPE", "Haswell", 1);
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    execv("/proc/self/exe", argv);
    perror("start again with OpenBLAS pinned");
    exit(1);
}

int rank_tests_run(const struct CMUnitTest *tests, size_t n)
{
    char origin[32];

    comm_start();
    comm_set_patience(PATIENCE_S);
    snprintf(origin, sizeof origin, "test.%d", comm_rank());
    log_init(origin, LOG_WARN);
    for (size_t i = 0; i < n; i++) {
        if (_cmocka_run_group_tests(tests[i].name, &tests[i], 1, NULL, NULL) != 0) exit(1);
    }
    comm_end();
    return 0;
}

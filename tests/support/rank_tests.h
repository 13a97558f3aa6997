/*
 * rank_tests.h - a group of tests that run on every rank of an MPI job.
 *
 * All ranks run the same tests in the same order.  A rank whose test fails ends
 * at once, which ends the job: the others may be waiting for it.
 */
#ifndef ARGOSY_TESTS_SUPPORT_RANK_TESTS_H
#define ARGOSY_TESTS_SUPPORT_RANK_TESTS_H

#include <stddef.h>

// Starts the program again with the portable OpenBLAS kernels where they are
// not asked for: bits are compared, and dW is OpenBLAS' work.
void rank_tests_pin_blas(char **argv);

// cmocka's tests, `n` of them; comm is started before and ended after.
struct CMUnitTest;
int rank_tests_run(const struct CMUnitTest *tests, size_t n);

#endif

/*
 * eval_verb.h - `argosy eval`: a model on a benchmark, as the R1 paper does it.
 *
 * An evaluation is a run of one stage of kind eval: a learner that serves the
 * weights, any number of actors here or on other hosts, every sample in the
 * journal.  So it goes on where it was stopped, and nothing of it has code of
 * its own.
 */
#ifndef ARGOSY_DEPLOY_EVAL_VERB_H
#define ARGOSY_DEPLOY_EVAL_VERB_H

int eval_verb(int argc, char **argv);

#endif

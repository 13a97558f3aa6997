/*
 * run_verb.h - `argosy run RECIPE`: every stage of a recipe on this machine.
 */
#ifndef ARGOSY_DEPLOY_RUN_VERB_H
#define ARGOSY_DEPLOY_RUN_VERB_H

int run_verb(int argc, char **argv);

#endif

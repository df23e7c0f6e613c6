package codegeex;

/**
 * Load of a service.
 *
 * @param waiting requests waiting in the queue
 * @param running running requests
 * @param sequences samples and beams being generated
 * @param cacheBytes bytes of KV cache reserved, prompt cache included
 * @param reusedTokens prompt tokens found in the prompt cache since the start
 */
public record ServiceProgress(long waiting, long running, long sequences, long cacheBytes, long reusedTokens) {}

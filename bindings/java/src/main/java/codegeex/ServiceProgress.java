package codegeex;

/**
 * How full a service is.
 *
 * @param waiting requests that wait for room
 * @param running requests that were admitted
 * @param sequences samples that are being generated
 * @param cacheBytes bytes of keys and values that are planned for, kept prefixes included
 * @param reusedTokens tokens of prompts that were found in kept prefixes, since the beginning
 */
public record ServiceProgress(long waiting, long running, long sequences, long cacheBytes, long reusedTokens) {}

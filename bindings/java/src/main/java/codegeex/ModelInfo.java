package codegeex;

/**
 * The sizes of a model.
 *
 * @param numLayers decoder layers, the top query layer not counted
 * @param hiddenSize width of the hidden state
 * @param numAttentionHeads query heads
 * @param numKvHeads key and value heads
 * @param vocabSize ids that logits are computed for, padding included
 * @param maxPositions longest sequence
 * @param parameters number of parameters
 */
public record ModelInfo(
        long numLayers, long hiddenSize, long numAttentionHeads, long numKvHeads, long vocabSize, long maxPositions,
        long parameters) {}

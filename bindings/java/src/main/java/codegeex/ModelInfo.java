package codegeex;

/**
 * The sizes of a model.
 *
 * @param numLayers decoder layers, without the top query layer
 * @param hiddenSize width of the hidden state
 * @param numAttentionHeads query heads
 * @param numKvHeads key and value heads
 * @param vocabSize number of logits per row, padding included
 * @param maxPositions context length in tokens
 * @param parameters number of parameters
 */
public record ModelInfo(
        long numLayers, long hiddenSize, long numAttentionHeads, long numKvHeads, long vocabSize, long maxPositions,
        long parameters) {}

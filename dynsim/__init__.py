"""dynsim: what a theory of learning dynamics predicts, beside what a network does."""

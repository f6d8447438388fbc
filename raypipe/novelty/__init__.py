"""What a network was not trained on: samples unlike those that it has learnt from, and groups of them."""

"""Import networks that were not trained here: from the files of Keras and TensorFlow to artifacts."""
